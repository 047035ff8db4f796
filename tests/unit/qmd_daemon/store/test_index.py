from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest
from msgspec import Struct

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import IndexEvent
from qmd_daemon.store import changes, index
from qmd_daemon.store.derived import Keeper
from qmd_daemon.store.index import Indexes
from qmd_daemon.store.lexical import Clause, LexicalQuery
from tests.unit.qmd_daemon.store.library import add_collection, put, put_vectors, space, vector

COMMON = LexicalQuery((Clause("common"),))


class Daemon:
    """The indexes of a daemon, and what they have told the world."""

    def __init__(self, home: Path) -> None:
        self.events: list[tuple[str, Struct]] = []
        self.paths = Paths.from_environment({"QMD_HOME": str(home)})
        self.start()

    def start(self) -> None:
        self.indexes = Indexes(self.paths, lambda topic, event: self.events.append((topic, event)))


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    daemon = Daemon(tmp_path)
    yield daemon
    await daemon.indexes.close()


def fill(connection: sqlite3.Connection, documents: int = 3) -> None:
    where = space(connection)
    add_collection(connection, "notes")
    for number in range(documents):
        put(connection, f"{number}.md", f"common {number}")
        put_vectors(connection, where, f"common {number}", [vector(number)])


async def test_an_index_is_opened_once_and_made_if_need_be(daemon: Daemon) -> None:
    one, same, other = await asyncio.gather(*(daemon.indexes.get(name) for name in ("index", "index", "work")))
    assert one is same is not other
    assert one.lexical_reader().search(COMMON, 5) == []
    assert await asyncio.to_thread(one.vectors.search, vector(1), 5) == []


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "x" * 100])
async def test_what_is_no_name_is_refused(daemon: Daemon, name: str) -> None:
    with pytest.raises(QmdError) as caught:
        await daemon.indexes.get(name)
    assert caught.value.code == "invalid"


async def test_catching_up_makes_searchable_and_tells(daemon: Daemon) -> None:
    opened = await daemon.indexes.get("index")
    await opened.database.write(fill)
    await opened.catch_up()
    assert {number for number, _ in opened.lexical_reader().search(COMMON, 5)} == {1, 2, 3}
    assert (await asyncio.to_thread(opened.vectors.search, vector(1), 1))[0][0] == 2
    seq = await opened.database.read(changes.newest)
    assert daemon.events == [("index", IndexEvent(index="index", seq=seq))]
    await opened.catch_up()
    assert len(daemon.events) == 1, "nothing has changed"


async def test_what_was_written_before_a_restart_is_searchable_after_it(daemon: Daemon) -> None:
    opened = await daemon.indexes.get("index")
    await opened.database.write(fill)
    await daemon.indexes.close()
    daemon.start()
    opened = await daemon.indexes.get("index")
    assert len(opened.lexical_reader().search(COMMON, 5)) == 3
    assert len(await asyncio.to_thread(opened.vectors.search, vector(1), 5)) == 3


async def test_following_needs_nobody_to_wait(daemon: Daemon) -> None:
    opened = await daemon.indexes.get("index")
    await opened.database.write(fill)
    opened.follow()
    await opened._lexical.run(int)  # behind it on the same thread
    assert len(opened.lexical_reader().search(COMMON, 5)) == 3
    await daemon.indexes.close()
    opened.follow()


async def test_the_status_counts(daemon: Daemon) -> None:
    opened = await daemon.indexes.get("index")
    await opened.database.write(fill)
    status = await opened.status()
    assert (status.name, status.documents, status.chunks, status.vectors, status.pending) == ("index", 3, 3, 3, 0)
    assert status.size_bytes > 4096
    assert [one.name for one in status.collections] == ["notes"]


async def test_changes_that_all_have_seen_are_forgotten(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_PRUNE_AFTER", 4)
    opened = await daemon.indexes.get("index")
    await opened.database.write(fill)
    await opened.catch_up()
    newest = await opened.database.read(changes.newest)
    assert await opened.database.read(changes.pruned) == newest
    await daemon.indexes.close()
    daemon.start()
    opened = await daemon.indexes.get("index")
    assert len(opened.lexical_reader().search(COMMON, 5)) == 3


async def test_a_reader_that_fails_is_replaced_once_for_all_who_ask(daemon: Daemon) -> None:
    opened = await daemon.indexes.get("index")
    await opened.database.write(fill)
    await opened.catch_up()
    broken = opened.lexical_reader()
    one, two = await asyncio.gather(*(opened.repair_lexical(broken, "bad magic") for _ in range(2)))
    assert one is two is not broken
    assert len(one.search(COMMON, 5)) == 3
    assert await opened.repair_lexical(broken, "an old story") is one


async def test_who_gives_up_waiting_does_not_stop_what_is_being_built(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, builds = threading.Event(), threading.Event(), []
    build = Keeper._build

    def slow(keeper: Keeper, connection: sqlite3.Connection, reason: str) -> None:
        if keeper._derived.name == "lexical":
            builds.append(reason)
            begun.set()
            assert go_on.wait(20)
        build(keeper, connection, reason)

    monkeypatch.setattr(Keeper, "_build", slow)
    async with asyncio.TaskGroup() as group:
        impatient = group.create_task(daemon.indexes.get("index"))
        await asyncio.to_thread(begun.wait, 20)
        impatient.cancel()
        patient = group.create_task(daemon.indexes.get("index"))
        await asyncio.sleep(0)
        go_on.set()
    assert patient.result().lexical_reader().search(COMMON, 5) == []
    assert builds == ["missing"]


async def test_closing_stops_what_is_being_built_and_says_so(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()
    check = Keeper._check

    def slow(keeper: Keeper) -> None:
        begun.set()
        while not keeper._stopping():
            pass
        check(keeper)

    monkeypatch.setattr(Keeper, "_check", slow)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(_outcome(daemon.indexes.get("index")))
        await asyncio.to_thread(begun.wait, 20)
        await daemon.indexes.close()
    assert waiting.result() == "unavailable"


async def test_after_close_nothing_is_opened_and_closing_again_is_nothing(daemon: Daemon) -> None:
    opened = await daemon.indexes.get("index")
    await daemon.indexes.close()
    await daemon.indexes.close()
    with pytest.raises(QmdError, match="stopping"):
        await daemon.indexes.get("index")
    with pytest.raises(QmdError, match="closed"):
        opened.lexical_reader()


async def test_an_index_that_is_being_opened_is_closed_too(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[index.Index] = []
    close = index.Index.close

    async def note(one: index.Index) -> None:
        closed.append(one)
        await close(one)

    monkeypatch.setattr(index.Index, "close", note)
    async with asyncio.TaskGroup() as group:
        opening = group.create_task(_outcome(daemon.indexes.get("index")))
        await asyncio.sleep(0)
        await daemon.indexes.close()
    assert len(closed) == 1
    assert opening.result() in {"opened", "unavailable"}


async def _outcome(work: Awaitable[object]) -> str:
    try:
        await work
    except QmdError as error:
        return error.code
    return "opened"


async def test_a_disk_that_is_full_is_said(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> bool:
        raise OSError(28, "No space left on device")

    opened = await daemon.indexes.get("index")
    monkeypatch.setattr(Keeper, "catch_up", full)
    with pytest.raises(QmdError) as caught:
        await opened.catch_up()
    assert caught.value.code == "unavailable"
    assert "No space left" in caught.value.hint


async def test_a_truth_that_is_damaged_is_said(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object, **__: object) -> bool:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    opened = await daemon.indexes.get("index")
    monkeypatch.setattr(Keeper, "catch_up", damaged)
    with pytest.raises(QmdError) as caught:
        await opened.catch_up()
    assert "damaged" in caught.value.hint
