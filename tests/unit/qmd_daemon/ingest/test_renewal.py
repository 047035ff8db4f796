from __future__ import annotations

import asyncio

import msgspec

from ipc.errors import QmdError
from qmd_daemon.engine.fake import INFO
from qmd_daemon.ingest.embedding import embed
from qmd_daemon.ingest.progress import Progress
from qmd_daemon.ingest.renewal import Renewal
from tests.unit.qmd_daemon.ingest.library import Engine, Library, write

OTHER = msgspec.structs.replace(INFO, name="other", fingerprint="fake-2")


async def embedded(library: Library) -> None:
    write(library.notes / "a.md", "apples and pears")
    await library.collections.add("index", str(library.notes))
    await library.update()
    await embed(await library.index(), Engine(), Progress())


async def test_another_model_begins_anew_once(library: Library) -> None:
    await embedded(library)
    engine, begun = Engine(), []
    renewal = Renewal(library.indexes, engine, begun.append)
    await renewal.look()
    assert begun == []
    engine.info = OTHER
    await renewal.look()
    await renewal.look()
    assert begun == ["index"]
    await embed(await library.index(), engine, Progress())
    await renewal.look()
    engine.info = INFO
    await renewal.look()
    assert begun == ["index", "index"]


async def test_what_was_never_embedded_is_left_alone(library: Library) -> None:
    begun: list[str] = []
    renewal = Renewal(library.indexes, Engine(), begun.append)
    await renewal.look()
    await library.index()
    await renewal.look()
    assert begun == []


async def test_no_model_and_a_daemon_that_stops(library: Library) -> None:
    await embedded(library)
    engine = Engine(None)
    tried = []

    def refuse(name: str) -> None:
        tried.append(name)
        raise QmdError("unavailable", "The daemon is stopping.")

    renewal = Renewal(library.indexes, engine, refuse)
    await renewal.look()
    assert tried == []
    engine.info = OTHER
    await renewal.look()
    assert tried == ["index"]


async def test_it_looks_by_itself_and_stops(library: Library) -> None:
    await embedded(library)
    begun: asyncio.Queue[str] = asyncio.Queue()
    async with Renewal(library.indexes, Engine(OTHER), begun.put_nowait, interval_s=0.01):
        assert await asyncio.wait_for(begun.get(), 30) == "index"
