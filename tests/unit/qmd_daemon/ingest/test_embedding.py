from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from ipc.errors import QmdError
from qmd_daemon.engine import fake
from qmd_daemon.engine.fake import INFO
from qmd_daemon.ingest import embedding
from qmd_daemon.ingest.cleanup import cleanup
from qmd_daemon.ingest.embedding import embed
from qmd_daemon.ingest.progress import Progress
from qmd_daemon.store import chunks
from qmd_daemon.store.chunks import Space
from qmd_daemon.store.index import Index
from tests.unit.qmd_daemon.ingest.library import OLD_NS, Engine, Library, write


@pytest.fixture
async def notes(library: Library) -> Path:
    """Twenty notes, indexed and not yet embedded."""
    for number in range(20):
        write(library.notes / f"{number:02}.md", f"# Note {number}\n\napples of kind{number} and pears\n")
    await library.collections.add("index", str(library.notes))
    await library.update()
    return library.notes


async def counts(library: Library) -> tuple[int, int, int]:
    """Chunks, vectors, and documents that are pending."""
    status = await (await library.index()).status()
    return status.chunks, status.vectors, status.pending


async def nearest(library: Library, text: str) -> int:
    """The document whose chunk is nearest to a text."""
    index = await library.index()
    query = fake.vectors([fake.tokens(text)])[0]
    ((chunk, _),) = await asyncio.to_thread(index.vectors.search, query, 1)
    sql = "SELECT documents.id FROM documents JOIN chunks USING (hash) WHERE chunks.id = ?"
    return int((await index.database.read(lambda c: c.execute(sql, (chunk,)).fetchone()))[0])


async def run(library: Library, engine: Engine, *, force: bool = False) -> Progress:
    progress = Progress()
    await embed(await library.index(), engine, progress, force=force)
    return progress


async def test_every_document_gets_its_vectors(library: Library, notes: Path) -> None:
    progress = await run(library, Engine())
    assert progress.counts == {"documents": 20, "chunks": 20}
    assert (progress.phase, progress.done, progress.total) == ("embed", 20, 20)
    assert await counts(library) == (20, 20, 0)
    assert await nearest(library, "# Note 7\n\napples of kind7 and pears") == 8


async def test_what_is_done_is_not_done_again(library: Library, notes: Path) -> None:
    await run(library, Engine())
    engine = Engine()
    await run(library, engine)
    assert engine.asked == []
    write(notes / "07.md", "something new about plums", OLD_NS + 10)
    write(notes / "copy.md", "# Note 3\n\napples of kind3 and pears\n")
    await library.update()
    await run(library, engine)
    assert engine.asked == [["something new about plums"]]
    assert await counts(library) == (20, 20, 0)
    assert await nearest(library, "something new about plums") == 8


async def test_force_makes_all_of_them_again(library: Library, notes: Path) -> None:
    await run(library, Engine())
    engine = Engine()
    await run(library, engine, force=True)
    assert sum(map(len, engine.asked)) == 20
    assert await counts(library) == (20, 20, 0)
    assert await nearest(library, "# Note 7\n\napples of kind7 and pears") == 8


async def test_without_a_model_it_says_so_and_changes_nothing(library: Library, notes: Path) -> None:
    with pytest.raises(QmdError) as caught:
        await run(library, Engine(info=None))
    assert caught.value.code == "no_model"
    assert await counts(library) == (0, 0, 20)


OTHER = msgspec.structs.replace(INFO, name="other", fingerprint="fake-2")


async def searched(index: Index) -> Space | None:
    return await index.database.read(chunks.active)


async def test_while_another_model_embeds_the_old_vectors_are_searched(
    library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every step of it: the document that is looked for is found, in one set of vectors or the other."""
    monkeypatch.setattr(embedding, "_WINDOW_TEXTS", 2)
    monkeypatch.setattr(embedding, "_CATCH_UP_CHUNKS", 2)
    await run(library, Engine())
    index = await library.index()
    engine, seen = Engine(OTHER), []

    async def look() -> None:
        assert await nearest(library, "# Note 7\n\napples of kind7 and pears") == 8
        assert await counts(library) == (20, 20, 0)
        assert index.vectors.space is not None
        seen.append(index.vectors.space.model)

    engine.before = lambda _: look()
    await run(library, engine)
    assert set(seen) == {"fake"}
    assert len(seen) >= 10
    await look()
    assert seen[-1] == "other"
    space = await searched(index)
    assert space is not None
    assert space.made_by("fake-2")
    # The old ones are kept: going back costs nothing.
    back = Engine()
    await run(library, back)
    assert back.asked == []
    assert index.vectors.space == await searched(index) != space


async def test_a_change_of_model_that_is_cancelled_changes_nothing_and_goes_on_later(
    library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_WINDOW_TEXTS", 2)
    await run(library, Engine())
    index = await library.index()
    old, engine = await searched(index), Engine(OTHER)

    def fail(_: Sequence[str]) -> None:
        if len(engine.asked) > 5:
            raise QmdError("unavailable", "The model worker has failed.")

    engine.before = fail
    with pytest.raises(QmdError):
        await run(library, engine)
    assert await searched(index) == old == index.vectors.space
    again = Engine(OTHER)
    await run(library, again)
    assert 0 < sum(map(len, again.asked)) < 20
    assert await searched(index) != old


async def test_cleanup_removes_what_the_old_model_made(library: Library, notes: Path) -> None:
    await run(library, Engine())
    await run(library, Engine(OTHER))
    index = await library.index()
    total = "SELECT count(*) FROM vectors"
    assert await index.database.read(lambda c: c.execute(total).fetchone()) == (40,)
    await cleanup(index, Progress())
    assert await index.database.read(lambda c: c.execute(total).fetchone()) == (20,)
    assert await nearest(library, "# Note 7\n\napples of kind7 and pears") == 8


async def test_cancelled_in_the_middle_it_goes_on_where_it_stopped(
    library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_WINDOW_TEXTS", 2)
    engine, reached, never = Engine(), asyncio.Event(), asyncio.Event()

    async def stop_here() -> None:
        reached.set()
        await never.wait()

    engine.before = lambda _: stop_here() if len(engine.asked) > 5 else None
    index = await library.index()
    async with asyncio.TaskGroup() as group:
        job = group.create_task(embed(index, engine, Progress()))
        await reached.wait()
        job.cancel()
    await index.database.write(lambda _: None)  # what was being written when it was cancelled is written first
    done, vectors, pending = await counts(library)
    assert 0 < done == vectors == 20 - pending < 20
    again = Engine()
    await run(library, again)
    assert sum(map(len, again.asked)) == pending
    assert await counts(library) == (20, 20, 0)
    for number in (0, 9, 19):
        assert await nearest(library, f"# Note {number}\n\napples of kind{number} and pears") == number + 1


async def test_an_engine_that_fails_ends_it_with_its_error_and_what_is_done_stays(
    library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_WINDOW_TEXTS", 2)
    engine = Engine()

    def fail(_: Sequence[str]) -> None:
        if len(engine.asked) > 5:
            raise QmdError("unavailable", "The model worker has failed.", "See the log.")

    engine.before = fail
    with pytest.raises(QmdError, match="worker has failed"):
        await run(library, engine)
    done, vectors, pending = await counts(library)
    assert 0 < done == vectors == 20 - pending
    await run(library, Engine())
    assert await counts(library) == (20, 20, 0)


async def test_an_engine_that_is_busy_is_asked_again(
    library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_RETRY_S", 0.0)
    engine = Engine()

    def refuse(_: Sequence[str]) -> None:
        if len(engine.asked) <= 3:
            raise QmdError("overloaded", "The queue is full.")

    engine.before = refuse
    await run(library, engine)
    assert await counts(library) == (20, 20, 0)


async def test_an_engine_that_stays_busy_is_given_up(
    library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_RETRY_S", 0.0)
    engine = Engine()

    def refuse(_: Sequence[str]) -> None:
        raise QmdError("overloaded", "The queue is full.")

    engine.before = refuse
    with pytest.raises(QmdError, match="queue is full"):
        await run(library, engine)


async def test_nonsense_of_a_model_is_not_stored_and_not_asked_for_again(library: Library, notes: Path) -> None:
    class Broken(Engine):
        async def embed(self, texts: Sequence[str], **options: object) -> np.ndarray:  # type: ignore[override]
            found = await super().embed(texts, **options)  # type: ignore[arg-type]
            for row, text in zip(found, texts, strict=True):
                if "kind7 " in text:
                    row[0] = np.nan
                if "kind8 " in text:
                    row[:] = 0
            return found

    await run(library, Broken())
    assert await counts(library) == (20, 18, 0)
    assert await nearest(library, "# Note 9\n\napples of kind9 and pears") == 10


async def test_texts_go_out_in_windows_whole_contents_together(
    library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_WINDOW_TEXTS", 8)
    write(library.notes / "long.md", "\n\n".join(f"paragraph {n} " + "words " * 120 for n in range(30)))
    await library.update()
    engine = Engine()
    await run(library, engine)
    assert max(map(len, engine.asked)) <= 8
    done, vectors, pending = await counts(library)
    assert (vectors, pending) == (done, 0)
    assert done >= 50


async def test_a_document_that_goes_meanwhile_is_left_out(library: Library, notes: Path) -> None:
    engine = Engine()

    async def remove() -> None:
        engine.before = lambda _: None
        (notes / "07.md").unlink()
        await library.update()

    engine.before = lambda _: remove()
    await run(library, engine)
    assert await counts(library) == (19, 19, 0)


async def test_vectors_become_searchable_on_the_way(
    library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_WINDOW_TEXTS", 2)
    monkeypatch.setattr(embedding, "_CATCH_UP_CHUNKS", 4)
    engine, seen = Engine(), []

    async def look() -> None:
        index = await library.index()
        query = fake.vectors([[1]])[0]
        seen.append(len(await asyncio.to_thread(index.vectors.search, query, 100)))

    engine.before = lambda _: look()
    await run(library, engine)
    assert seen[0] == 0
    assert 0 < seen[-1] < 20
