from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path

import pytest

from ipc.errors import QmdError
from ipc.protocol import Skipped
from qmd_daemon.ingest import extract, indexer, scan
from qmd_daemon.ingest.progress import Progress
from qmd_daemon.store import documents
from qmd_daemon.store.index import Index
from tests.unit.qmd_daemon.ingest.library import MAX_BYTES, OLD_NS, Library, write, write_at


@pytest.fixture
async def notes(library: Library) -> Path:
    """The directory of notes, a collection now."""
    await library.collections.add("index", str(library.notes), mask="**/*.md")
    return library.notes


async def test_each_file_is_new_then_unchanged_then_updated_then_removed(library: Library, notes: Path) -> None:
    for name in ("a", "b", "deep/c"):
        write(notes / f"{name}.md", f"words of {name}")
    assert await library.update() == {"new": 3}
    assert await library.update() == {"unchanged": 3}
    write(notes / "a.md", "other words", OLD_NS + 10)
    (notes / "b.md").unlink()
    write(notes / "d.md", "a fourth")
    assert await library.update() == {"new": 1, "updated": 1, "unchanged": 1, "removed": 1}
    assert await library.paths_stored() == ["notes/a.md", "notes/d.md", "notes/deep/c.md"]
    assert (await library.found("other"), await library.found("fourth"), await library.found("words")) == (1, 1, 2)


async def test_a_file_that_was_only_touched_is_unchanged(library: Library, notes: Path) -> None:
    write(notes / "a.md", "text")
    await library.update()
    seq = len(library.events)
    os.utime(notes / "a.md", ns=(OLD_NS + 5, OLD_NS + 5))
    assert await library.update() == {"unchanged": 1}
    assert len(library.events) == seq, "nothing to search has changed"


async def test_only_what_has_changed_is_read(library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        write(notes / f"{number}.md", f"text {number}")
    await library.update()
    read, paths = extract.read, []

    def noted(root: str, path: str, max_bytes: int) -> extract.Extract:
        paths.append(path)
        return read(root, path, max_bytes)

    monkeypatch.setattr(extract, "read", noted)
    write(notes / "3.md", "text", OLD_NS + 10)
    await library.update()
    assert paths == ["3.md"]


async def test_a_change_within_the_tick_of_the_clock_is_found(library: Library, notes: Path) -> None:
    now = time.time_ns()
    file = write(notes / "a.md", "text one", now)
    await library.update()
    inode = file.stat().st_ino
    write(notes / "a.md", "text two", now)  # as long, of the same time and in the same place
    assert file.stat().st_ino == inode
    assert await library.update() == {"updated": 1}
    assert await library.found("two") == 1


async def test_a_file_replaced_by_another_of_the_same_size_and_time_is_found(library: Library, notes: Path) -> None:
    write(notes / "a.md", "text one")
    await library.update()
    write(notes / "new", "text two")
    os.rename(notes / "new", notes / "a.md")
    assert await library.update() == {"updated": 1}


async def test_a_file_that_moved_keeps_its_content(library: Library, notes: Path) -> None:
    write(notes / "a.md", "text")
    await library.update()
    (notes / "deep").mkdir()
    os.rename(notes / "a.md", notes / "deep" / "b.md")
    assert await library.update() == {"new": 1, "removed": 1}
    assert await library.paths_stored() == ["notes/deep/b.md"]
    assert await library.found("text") == 1


async def test_a_directory_that_is_missing_keeps_what_is_indexed(library: Library, notes: Path) -> None:
    write(notes / "a.md", "text")
    await library.update()
    os.rename(notes, notes.parent / "unmounted")
    assert await library.update() == {"skipped": 1}
    assert library.progress.skipped[0].path == str(notes)
    assert "kept" in library.progress.skipped[0].reason
    assert await library.found("text") == 1
    os.rename(notes.parent / "unmounted", notes)
    assert await library.update() == {"unchanged": 1}


async def test_what_lies_below_an_unreadable_directory_is_kept(
    library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("a.md", "locked/b.md", "locked/deep/c.md", "locked2/d.md"):
        write(notes / path, path)
    await library.update()
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("/locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    shutil.rmtree(notes / "locked2")
    monkeypatch.setattr(scan.os, "scandir", refuse)
    assert await library.update() == {"unchanged": 1, "removed": 1, "skipped": 1}
    assert await library.paths_stored() == ["notes/a.md", "notes/locked/b.md", "notes/locked/deep/c.md"]


async def test_what_is_left_out_is_counted_and_named(library: Library, notes: Path) -> None:
    write(notes / "empty.md", " \n")
    write(notes / "binary.md", b"\0\1\2")
    write(notes / "large.md", "x" * (MAX_BYTES + 1))
    write(notes / "good.md", "text")
    write_at(notes, b"bad\xff.md")
    assert await library.update() == {"new": 1, "skipped": 4}
    assert {(one.path, one.reason.partition(" than")[0]) for one in library.progress.skipped} == {
        ("empty.md", "empty"), ("binary.md", "binary"), ("large.md", "larger"),
        ("bad\\xff.md", "its name is not UTF-8"),
    }  # fmt: skip


async def test_a_file_that_has_become_unfit_is_removed(library: Library, notes: Path) -> None:
    write(notes / "a.md", "text")
    await library.update()
    write(notes / "a.md", b"\0\0", OLD_NS + 10)
    assert await library.update() == {"removed": 1, "skipped": 1}
    assert await library.found("text") == 0


async def test_a_file_that_goes_between_scan_and_read_is_skipped(
    library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(notes / "a.md", "text")
    write(notes / "b.md", "text")
    read = extract.read

    def vanish(root: str, path: str, max_bytes: int) -> extract.Extract:
        if path == "a.md":
            (notes / "a.md").unlink(missing_ok=True)
        return read(root, path, max_bytes)

    monkeypatch.setattr(extract, "read", vanish)
    assert await library.update() == {"new": 1, "skipped": 1}
    assert library.progress.skipped == [Skipped(path="a.md", reason="unreadable: No such file or directory")]


async def test_a_mask_that_was_narrowed_removes_what_it_leaves_out(library: Library, notes: Path) -> None:
    for path in ("a.md", "drafts/b.md", "deep/c.md"):
        write(notes / path, path)
    await library.update()
    library.configure(library.config() + "    ignore: [drafts/]\n")
    assert await library.update() == {"unchanged": 2, "removed": 1}


async def test_one_collection_may_be_updated_alone(library: Library, notes: Path) -> None:
    other = library.notes.parent / "other"
    write(other / "x.md", "text")
    write(notes / "a.md", "text")
    await library.collections.add("index", str(other))
    assert await library.update("other") == {"new": 1}
    assert await library.paths_stored() == ["other/x.md"]
    with pytest.raises(QmdError, match="not found: nope") as caught:
        await library.update("other", "nope")
    assert caught.value.code == "not_found"


async def test_a_collection_taken_out_of_the_file_loses_its_documents(library: Library, notes: Path) -> None:
    write(notes / "a.md", "text")
    await library.update()
    library.configure("collections: {}\n")
    assert await library.update() == {"removed": 1}
    assert await library.paths_stored() == []


async def test_a_collection_that_is_removed_meanwhile_gets_nothing_more(
    library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "_BATCH_FILES", 1)
    for number in range(4):
        write(notes / f"{number}.md", f"text {number}")
    index = await library.index()
    progress = Progress()

    class Meddler(Progress):
        def step(self, by: int = 1, current: str = "") -> None:
            super().step(by, current)
            if self.phase == "index notes" and self.done == 2:
                removing.append(asyncio.get_running_loop().run_in_executor(None, forget))

    removing: list[asyncio.Future[None]] = []

    def forget() -> None:
        connection = index.database.connect(readonly=False)
        connection.execute("DELETE FROM collections")
        connection.close()

    write_ = index.database.write

    async def wait_for_it(work: object) -> object:
        await asyncio.gather(*removing)
        return await write_(work)  # type: ignore[arg-type]

    monkeypatch.setattr(index.database, "write", wait_for_it)
    progress = Meddler()
    await indexer.update(index, (), MAX_BYTES, progress)
    assert progress.counts["new"] == 2
    assert await library.paths_stored() == [], "what was stored before has gone as an orphan"


async def test_cancelled_in_the_middle_it_goes_on_where_it_stopped(
    library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "_BATCH_FILES", 2)
    for number in range(10):
        write(notes / f"{number}.md", f"text {number}")
    index = await library.index()
    half = asyncio.Event()

    class Watched(Progress):
        def step(self, by: int = 1, current: str = "") -> None:
            super().step(by, current)
            if self.phase == "index notes" and self.done >= 4:
                half.set()

    async with asyncio.TaskGroup() as group:
        job = group.create_task(indexer.update(index, (), MAX_BYTES, Watched()))
        await half.wait()
        job.cancel()
    stored = len(await library.paths_stored())
    assert 4 <= stored < 10
    assert await library.update() == {"new": 10 - stored, "unchanged": stored}
    assert await library.found("text") == 10


async def test_documents_become_searchable_on_the_way(
    library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "_BATCH_FILES", 2)
    monkeypatch.setattr(indexer, "_CATCH_UP_AFTER", 4)
    catch_up, saves = Index.catch_up, []

    async def noted(index: Index, *, save: bool = True) -> None:
        saves.append(save)
        await catch_up(index, save=save)

    monkeypatch.setattr(Index, "catch_up", noted)
    for number in range(10):
        write(notes / f"{number}.md", f"text {number}")
    await library.update()
    assert saves == [False, False, True]


async def test_batches_are_held_to_their_size(library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexer, "_BATCH_BYTES", 1000)
    entries = [scan.Entry(f"{n}.md", size, 1, 1) for n, size in enumerate([600, 600, 100, 100, 100, 5000, 1])]
    assert [[entry.size for entry in batch] for batch in indexer._batches(entries)] == [
        [600], [600, 100, 100, 100], [5000], [1],
    ]  # fmt: skip


async def test_an_update_says_when_it_was(library: Library, notes: Path) -> None:
    index = await library.index()
    assert (await index.status()).updated_at == 0
    await library.update()
    assert time.time() - 60 < (await index.status()).updated_at <= time.time()


async def test_titles_of_all_kinds_of_files_are_stored(library: Library, notes: Path) -> None:
    write(notes / "a.md", "---\ntitle: 来自 YAML\n---\ntext")
    write(notes / "b.md", "# 标题\n".encode("gb18030") + "这是一个用来测试的文件，里面有一些中文。".encode("gb18030"))
    await library.update()
    index = await library.index()
    found = await index.database.read(lambda c: documents.by_ids(c, [1, 2]))
    assert [one.title for one in found.values()] == ["来自 YAML", "标题"]
