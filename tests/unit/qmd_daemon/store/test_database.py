from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from ipc.errors import QmdError
from qmd_daemon.store import database as database_module
from qmd_daemon.store import meta, migrations
from qmd_daemon.store.database import Database


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "deep" / "index.sqlite")


@pytest.fixture
async def database(path: str) -> AsyncIterator[Database]:
    database = Database.open(path)
    yield database
    await database.close()


def note(key: str, value: str = "1") -> Callable[[sqlite3.Connection], None]:
    return lambda connection: meta.put(connection, key, value)


def noted(key: str) -> Callable[[sqlite3.Connection], str]:
    return lambda connection: meta.get(connection, key)


async def test_what_is_written_is_read_and_lasts(database: Database, path: str) -> None:
    assert await database.write(lambda connection: meta.put(connection, "a", "值") or 7) == 7
    assert await database.read(noted("a")) == "值"
    await database.close()
    with closing(sqlite3.connect(path)) as again:
        assert meta.get(again, "a") == "值"


async def test_what_raises_is_undone_and_told(database: Database) -> None:
    def half(connection: sqlite3.Connection) -> None:
        meta.put(connection, "half", "1")
        raise LookupError("in the middle")

    with pytest.raises(LookupError, match="in the middle"):
        await database.write(half)
    assert await database.read(noted("half")) == ""
    await database.write(note("after"))
    assert await database.read(noted("after")) == "1"


async def test_writes_take_turns(database: Database) -> None:
    def increment(connection: sqlite3.Connection) -> None:
        meta.put(connection, "n", str(int(meta.get(connection, "n", "0")) + 1))

    await asyncio.gather(*(database.write(increment) for _ in range(50)))
    assert await database.read(noted("n")) == "50"


async def test_a_reader_reads_one_moment_and_does_not_wait_for_a_writer(database: Database) -> None:
    await database.write(note("a", "old"))
    begun, written = threading.Event(), threading.Event()

    def twice(connection: sqlite3.Connection) -> tuple[str, str]:
        first = meta.get(connection, "a")
        begun.set()
        assert written.wait(20)
        return first, meta.get(connection, "a")

    reading = asyncio.gather(database.read(twice))
    await asyncio.to_thread(begun.wait, 20)
    await database.write(note("a", "new"))
    written.set()
    assert await reading == [("old", "old")]
    assert await database.read(noted("a")) == "new"


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(QmdError, match="cannot be used") as caught:
        await database.read(note("a"))
    assert caught.value.hint == "It is read-only."
    assert await database.read(noted("a")) == ""


async def test_who_is_cancelled_before_the_turn_changes_nothing(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        begun.set()
        assert go_on.wait(20)
        meta.put(connection, "first", "1")

    async with asyncio.TaskGroup() as group:
        first = group.create_task(database.write(slow))
        await asyncio.to_thread(begun.wait, 20)
        second = group.create_task(database.write(note("second")))
        await asyncio.sleep(0)
        second.cancel()
        first.cancel()  # too late: it has begun
        go_on.set()
    assert await database.write(noted("second")) == ""
    assert await database.read(noted("first")) == "1"


async def test_after_close_it_says_that_it_is_closed(database: Database) -> None:
    await database.close()
    await database.close()
    for work in (database.read, database.write):
        with pytest.raises(QmdError, match="closed") as caught:
            await work(noted("a"))
        assert caught.value.code == "unavailable"


async def test_close_lets_what_was_begun_finish(database: Database, path: str) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        begun.set()
        assert go_on.wait(20)
        meta.put(connection, "slow", "1")

    async with asyncio.TaskGroup() as group:
        group.create_task(database.write(slow))
        await asyncio.to_thread(begun.wait, 20)
        group.create_task(database.close())
        await asyncio.sleep(0)
        go_on.set()
    with closing(sqlite3.connect(path)) as again:
        assert meta.get(again, "slow") == "1"


async def test_a_connection_of_ones_own_reads_and_may_be_let_write(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        meta.put(database.connect(), "a", "1")
    meta.put(database.connect(readonly=False), "a", "1")
    assert meta.get(database.connect(), "a") == "1"


# -- opening -----------------------------------------------------------------------------------


def test_a_new_file_is_private_and_has_an_identity_that_stays(path: str, tmp_path: Path) -> None:
    Database.open(path)
    Database.open(str(tmp_path / "other" / "index.sqlite"))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700

    def identity(place: str) -> str:
        with closing(sqlite3.connect(place)) as connection:
            return meta.get(connection, "identity")

    first = identity(path)
    Database.open(path)
    assert first == identity(path) != ""
    assert identity(str(tmp_path / "other" / "index.sqlite")) != first


def test_what_is_missing_is_not_made_unasked(path: str) -> None:
    with pytest.raises(QmdError, match="Nothing is indexed") as caught:
        Database.open(path, create=False)
    assert caught.value.code == "not_found"
    assert not os.path.exists(path)


def test_a_file_that_is_no_database_is_told_apart(path: str, tmp_path: Path) -> None:
    os.makedirs(os.path.dirname(path))
    Path(path).write_bytes(b"This is a letter, not a database." * 200)
    with pytest.raises(QmdError, match="cannot be used") as caught:
        Database.open(path)
    assert caught.value.code == "unavailable"
    assert "damaged" in caught.value.hint
    assert Path(path).read_bytes().startswith(b"This is a letter")


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(QmdError, match="Cannot use the directory"):
        Database.open(str(tmp_path / "file" / "index.sqlite"))


def test_a_directory_in_the_place_of_the_file_is_said(path: str) -> None:
    os.makedirs(path)
    with pytest.raises(QmdError, match="cannot be used") as caught:
        Database.open(path)
    assert caught.value.hint == "It cannot be opened."


def test_a_file_that_cannot_be_made_is_said(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(database_module.os, "open", full)
    with pytest.raises(QmdError, match="cannot be made: No space left"):
        Database.open(path)


def test_an_index_of_a_newer_program_is_refused_and_left_alone(path: str) -> None:
    Database.open(path)
    newer = len(migrations.STEPS) + 1
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")
    with pytest.raises(QmdError, match=f"schema {newer}") as caught:
        Database.open(path)
    assert caught.value.code == "version"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (newer,)


# -- errors of the machine ------------------------------------------------------------------------


async def test_a_full_disk_is_said_and_undone(database: Database) -> None:
    def fill(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 8}")
        for number in range(100):
            meta.put(connection, f"big{number}", "x" * 10_000)

    with pytest.raises(QmdError) as caught:
        await database.write(fill)
    assert (caught.value.code, caught.value.hint) == ("unavailable", "The disk is full.")
    await database.write(lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchone())
    await database.write(note("after"))
    assert await database.read(noted("big0")) == ""
    assert await database.read(noted("after")) == "1"


async def test_a_lock_that_another_program_holds_is_said(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_BUSY_MS", 20)
    database = Database.open(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(QmdError) as caught:
            await database.write(note("a"))
        assert "locked" in caught.value.hint
        assert await database.read(noted("a")) == ""
        other.execute("COMMIT")
    await database.write(note("a"))
    await database.close()


async def test_a_page_that_was_overwritten_is_said(database: Database, path: str) -> None:
    await database.write(lambda connection: [meta.put(connection, f"k{n}", "v" * 1000) for n in range(200)])
    await database.close()
    _overwrite(Path(path), 4 * 4096)
    with pytest.raises(QmdError) as caught:  # noqa: PT012 - which of the two finds it is SQLite's affair
        again = Database.open(path)
        try:
            await again.read(lambda connection: connection.execute("SELECT sum(length(value)) FROM meta").fetchall())
        finally:
            await again.close()
    assert "damaged" in caught.value.hint


def _overwrite(path: Path, start: int) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:start] + b"\xa5" * (len(data) - start))


async def test_a_mistake_of_ours_is_no_fault_of_the_machine(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await database.read(lambda connection: connection.execute("SELECT * FROM nowhere").fetchall())
