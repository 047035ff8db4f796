from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.qmd_daemon.ingest.library import Library


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[Library]:
    """An empty installation and an empty directory of notes, which is no collection yet."""
    library = Library(tmp_path)
    yield library
    await library.indexes.close()
