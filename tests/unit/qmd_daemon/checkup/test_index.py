"""The database and what is derived from it, in all the states in which a doctor may find them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ipc.finding import Finding
from qmd_daemon.checkup import index
from qmd_daemon.store import generations
from qmd_daemon.store.derived import Keeper
from qmd_daemon.store.lexicon import LexiconKind
from tests.unit.qmd_daemon.store.library import add_collection, connect, put


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database with one document."""
    with closing(connect(str(tmp_path))) as opened:
        add_collection(opened, "notes")
        put(opened, "gpu.md", "# GPU\n\nWatch the memory.\n")
        yield opened


def derive(connection: sqlite3.Connection, tmp_path: Path) -> Path:
    """Build the lexical index; where it is."""
    keeper = Keeper(str(tmp_path / "lexical"), LexiconKind(), lambda: connection, lambda: False, lambda *_, **__: None)
    keeper.catch_up()
    path = generations.current(str(tmp_path / "lexical"))
    assert path
    keeper.generation.close()  # type: ignore[union-attr]
    return Path(path)


def look(connection: sqlite3.Connection, tmp_path: Path) -> dict[str, Finding]:
    return {one.check: one for one in index.examine(connection, str(tmp_path))}


def test_all_is_in_step(connection: sqlite3.Connection, tmp_path: Path) -> None:
    derive(connection, tmp_path)
    found = look(connection, tmp_path)
    assert [name for name, one in found.items() if one.state == "ok"] == ["database", "lexical", "vectors"]
    assert found["embedding"].message.startswith("1 documents have no vectors yet")
    assert found["lexical"].message.endswith("entries: 1.")


def test_what_was_never_built_is_missing(connection: sqlite3.Connection, tmp_path: Path) -> None:
    found = look(connection, tmp_path)["lexical"]
    assert (found.state, found.message) == ("fail", "It is missing.")
    assert "qmd update" in found.hint


def test_a_file_that_has_changed_is_named(connection: sqlite3.Connection, tmp_path: Path) -> None:
    path = derive(connection, tmp_path)
    damaged = next(path.glob("*.store"))
    os.truncate(damaged, 3)
    found = look(connection, tmp_path)["lexical"]
    assert found.state == "fail"
    assert damaged.name in found.message


def test_what_has_been_put_since_is_counted(connection: sqlite3.Connection, tmp_path: Path) -> None:
    derive(connection, tmp_path)
    put(connection, "other.md", "later\n")
    found = look(connection, tmp_path)["lexical"]
    assert (found.state, found.message) == ("warn", "1 changes are not in it yet.")


def test_a_writer_that_was_killed(connection: sqlite3.Connection, tmp_path: Path) -> None:
    path = str(derive(connection, tmp_path))
    seen = generations.read_seen(path)
    assert seen
    generations.write_seen(path, seen._replace(files=None))
    assert look(connection, tmp_path)["lexical"].state == "warn"


def test_an_index_of_another_database(connection: sqlite3.Connection, tmp_path: Path) -> None:
    derive(connection, tmp_path)
    connection.execute("UPDATE meta SET value = 'another' WHERE key = 'identity'")
    assert "another database" in look(connection, tmp_path)["lexical"].message


def test_a_document_that_is_missing_in_the_index(connection: sqlite3.Connection, tmp_path: Path) -> None:
    derive(connection, tmp_path)
    put(connection, "other.md", "later\n")
    connection.execute("DELETE FROM changes")  # as if they had all been seen
    assert look(connection, tmp_path)["lexical"].message == "It does not fit: holds 1 of 2."


def test_a_damaged_database_ends_the_examination(tmp_path: Path, connection: sqlite3.Connection) -> None:
    for number in range(200):
        put(connection, f"{number}.md", f"text {number}\n" * 50)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file = tmp_path / "index.sqlite"
    with closing(sqlite3.connect(file)) as other:
        page = other.execute("PRAGMA page_size").fetchone()[0]
        root = other.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'documents'").fetchone()[0]
    with file.open("r+b") as opened:
        opened.seek((root - 1) * page)
        opened.write(b"\xff" * page)
    with closing(sqlite3.connect(file)) as fresh:
        found = list(index.examine(fresh, str(tmp_path)))
    assert [(one.check, one.state) for one in found] == [("database", "fail")]
