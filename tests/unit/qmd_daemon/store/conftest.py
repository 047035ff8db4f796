from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.qmd_daemon.store.library import connect


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A new database that may be written to, in autocommit mode."""
    with closing(connect(tmp_path)) as connection:
        yield connection
