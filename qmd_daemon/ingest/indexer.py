"""Bringing the documents of an index up to date with the files.

Only what `stat` says has changed is read. Each batch is one transaction, made after its files are read, so that a
crash or a cancellation loses nothing and leaves nothing half done: the next update finds what is still to do.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

from ipc.errors import QmdError
from qmd_daemon.ingest import extract, scan
from qmd_daemon.ingest.collections import drop_unused, remove_orphans
from qmd_daemon.ingest.progress import Progress
from qmd_daemon.store import documents, intake
from qmd_daemon.store.index import Index

_SCAN_ENTRIES = 1000
_BATCH_FILES = 200
_BATCH_BYTES = 16 * 1024 * 1024
# Documents after which those so far become searchable, for the first time. Then they are as many again: each time
# makes a part of the lexical index, and searching many small parts takes nearly twice as long as a few large ones.
_CATCH_UP_AFTER = 2000
# A file changed twice within one tick of its file system's clock looks unchanged; FAT's is the longest.
_CLOCK_TICK_NS = 2_000_000_000


async def update(index: Index, names: Sequence[str], max_file_bytes: int, progress: Progress) -> None:
    """Scan the collections (all, if none is named) and index what is new, changed or gone.

    Raises QmdError("not_found") for a name that is no collection.
    """
    known = await index.database.read(documents.collections)
    unknown = set(names) - {collection.name for collection in known}
    if unknown:
        raise QmdError(
            "not_found", f"Collection not found: {', '.join(sorted(unknown))}.", "See `qmd collection list`."
        )
    for name in ("new", "updated", "unchanged", "removed", "skipped"):
        progress.count(name, 0)
    for collection in known:
        if not names or collection.name in names:
            await _Update(index, collection, max_file_bytes, progress).run()
    progress.count("removed", await remove_orphans(index))
    progress.begin("tidy")
    await drop_unused(index)
    await index.database.write(intake.finished)
    await index.catch_up()


class _Update:
    """The update of one collection."""

    def __init__(self, index: Index, collection: documents.Collection, max_file_bytes: int, progress: Progress) -> None:
        self._index = index
        self._collection = collection
        self._max_file_bytes = max_file_bytes
        self._progress = progress
        self._stored = 0
        self._searchable_at = _CATCH_UP_AFTER

    async def run(self) -> None:
        name, root = self._collection.name, self._collection.path
        if not await asyncio.to_thread(os.path.isdir, root):
            # A disk that is not mounted must not empty the index.
            self._progress.skip(root, "the directory is missing; what is indexed of it is kept")
            return
        known = await self._index.database.read(partial(intake.known, collection=name))
        entries, hidden = await self._scan()
        changed = [entry for entry in entries if not _same(entry, known.get(entry.path))]
        self._progress.count("unchanged", len(entries) - len(changed))
        gone = set(known).difference(entry.path for entry in entries)
        gone = {path for path in gone if not path.startswith(hidden)}
        self._progress.begin(f"index {name}", len(changed))
        for batch in _batches(changed):
            if not await self._take(batch, gone, known):
                return  # the collection was removed meanwhile
        await self._remove([known[path].id for path in sorted(gone)])

    async def _scan(self) -> tuple[list[scan.Entry], tuple[str, ...]]:
        """The files, and the beginnings of paths about which nothing is known."""
        self._progress.begin(f"scan {self._collection.name}")
        entries: list[scan.Entry] = []
        hidden: list[str] = []
        walk = scan.walk(self._collection.path, self._collection.pattern, self._collection.ignore)
        while found := await asyncio.to_thread(_some, walk):
            for one in found:
                if isinstance(one, scan.Entry):
                    entries.append(one)
                else:
                    self._progress.skip(one.path, one.reason)
                    if one.directory:
                        hidden.append("" if one.path == "." else one.path + "/")
            self._progress.step(len(found), found[-1].path)
        return entries, tuple(hidden)

    async def _take(self, batch: Sequence[scan.Entry], gone: set[str], known: dict[str, intake.Known]) -> bool:
        """Read and store a batch. What cannot be read any more joins `gone`. False when the collection is no more."""
        files, refused = await asyncio.to_thread(self._read, batch)
        for path, reason in refused:
            self._progress.skip(path, reason)
            if path in known:
                gone.add(path)
        outcomes = await self._index.database.write(partial(_store, collection=self._collection.name, files=files))
        if outcomes is None:
            return False
        for outcome in outcomes:
            self._progress.count(outcome)
        self._progress.step(len(batch), batch[-1].path)
        self._stored += len(files)
        if self._stored >= self._searchable_at:
            self._searchable_at = 2 * self._stored
            await self._index.catch_up(save=False)
        return True

    def _read(self, batch: Sequence[scan.Entry]) -> tuple[list[intake.File], list[tuple[str, str]]]:
        files, refused = [], []
        for entry in batch:
            try:
                found = extract.read(self._collection.path, entry.path, self._max_file_bytes)
            except extract.LeftOut as why:
                refused.append((entry.path, str(why)))
                continue
            settled = found.mtime_ns < time.time_ns() - _CLOCK_TICK_NS
            inode = found.inode if settled else 0
            files.append(
                intake.File(
                    self._collection.name, entry.path, found.title, found.hash, found.text,
                    found.size, found.mtime_ns, inode, found.metadata,
                )
            )  # fmt: skip
        return files, refused

    async def _remove(self, ids: Sequence[int]) -> None:
        for start in range(0, len(ids), _BATCH_FILES):
            some = ids[start : start + _BATCH_FILES]
            await self._index.database.write(partial(intake.remove, ids=some))
            self._progress.count("removed", len(some))


def _same(entry: scan.Entry, known: intake.Known | None) -> bool:
    return known is not None and known[1:] == entry[1:]


def _some(walk: Iterator[scan.Entry | scan.Unseen]) -> list[scan.Entry | scan.Unseen]:
    return list(islice(walk, _SCAN_ENTRIES))


def _batches(entries: Sequence[scan.Entry]) -> Iterator[list[scan.Entry]]:
    """Of limited number and size: all of a batch is in memory at once."""
    batch: list[scan.Entry] = []
    size = 0
    for entry in entries:
        if batch and (len(batch) == _BATCH_FILES or size + entry.size > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += entry.size
    if batch:
        yield batch


def _store(connection: sqlite3.Connection, collection: str, files: Sequence[intake.File]) -> list[str] | None:
    """Put the files; what became of each. None, and nothing is put, when the collection is no more."""
    if connection.execute("SELECT 1 FROM collections WHERE name = ?", (collection,)).fetchone() is None:
        return None
    return [intake.put(connection, file) for file in files]
