"""An index: its database, what is derived from it, and the indexes of a daemon by name."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Generic, TypeVar, cast

import msgspec
import structlog

from ipc import project
from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import IndexEvent, IndexStatus, Publish
from qmd_daemon.store import changes, reading, seal
from qmd_daemon.store.database import Database, of_the_machine
from qmd_daemon.store.derived import Derived, Generation, Keeper, Stopped
from qmd_daemon.store.lexical import LexicalReader
from qmd_daemon.store.lexicon import Lexicon, LexiconKind
from qmd_daemon.store.neighbours import Neighbours, NeighboursKind
from qmd_daemon.store.vectors import Vectors

T = TypeVar("T")
G = TypeVar("G", bound=Generation)
# The log of changes is pruned when so many lines of it have been seen by all.
_PRUNE_AFTER = 1000
log = structlog.get_logger()


class _Kept(Generic[G]):
    """A derived index with the one thread that changes it."""

    def __init__(self, directory: str, derived: Derived, database: Database, stopping: Callable[[], bool]) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"qmd-{derived.name}")
        self._database = database
        self.keeper = Keeper(
            os.path.join(directory, derived.name), derived, database.connect, stopping, structlog.get_logger().info
        )

    @property
    def generation(self) -> G | None:
        return cast("G | None", self.keeper.generation)

    def submit(self, work: Callable[..., T], *args: Any) -> Future[T]:
        """Run `work` on the thread. It raises QmdError for what is the machine's fault, and when the daemon stops."""
        return self._thread.submit(self._work, work, *args)

    def _work(self, work: Callable[..., T], *args: Any) -> T:
        try:
            return work(*args)
        except Stopped:
            raise QmdError("unavailable", "The daemon is stopping.", "Try again when it is back.") from None
        except (sqlite3.Error, OSError) as error:
            if sentence := of_the_machine(error, self._database.path):
                raise sentence from error
            raise

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.wrap_future(self.submit(work, *args))

    def catch_up(self, save: bool) -> bool:
        return self.keeper.catch_up(save=save)

    def repair(self, broken: Generation | None, reason: str) -> None:
        """Replace a generation that fails, unless that has been done meanwhile."""
        if self.keeper.generation is None:
            self.keeper.catch_up()
        elif self.keeper.generation is broken:
            self.keeper.rebuild(f"failed: {reason}")

    def close(self) -> None:
        try:
            self._thread.submit(self.keeper.close).result()
        finally:
            self._thread.shutdown()


class Index:
    """One index, open. Made by `Indexes.get`."""

    def __init__(self, name: str, paths: Paths, database: Database, publish: Publish) -> None:
        self.name = name
        self.paths = paths
        self.database = database
        self._publish = publish
        self._stopping = threading.Event()
        directory = paths.index_dir(name)
        self._lexical: _Kept[Lexicon] = _Kept(directory, LexiconKind(), database, self._stopping.is_set)
        self._neighbours: _Kept[Neighbours] = _Kept(directory, NeighboursKind(), database, self._stopping.is_set)
        self._pruned = 0
        self.vectors = Vectors(lambda: self._neighbours.generation, self._repair_neighbours)

    @classmethod
    async def open(cls, name: str, paths: Paths, publish: Publish) -> Index:
        """Open the database; vectors that are to be derived from it follow in the background.

        Raises QmdError as Database.open does.
        """
        if project.is_local(name) and await asyncio.to_thread(seal.clear_foreign, paths, paths.database(name)):
            log.warning("index.not_ours", index=name)
        database = await asyncio.to_thread(Database.open, paths.database(name))
        if project.is_local(name):
            await database.write(partial(seal.put, paths))
        index = cls(name, paths, database, publish)
        index._in_background(index._neighbours)
        return index

    async def ready(self) -> None:
        """Wait until words can be searched. Who gives up waiting does not stop what is being built for all."""
        if self._lexical.generation is None:
            await self._lexical.run(self._lexical.repair, None, "")

    def lexical_reader(self) -> LexicalReader:
        """What searches the words, as of the last catch-up. Ask for it at each search: it may be another one."""
        if self._lexical.generation is None:
            raise QmdError("unavailable", "The index is closed.", "The daemon is stopping.")
        return self._lexical.generation.reader

    async def repair_lexical(self, broken: LexicalReader, reason: str) -> LexicalReader:
        """A new reader in the place of one whose search has failed: the index is built again from the truth."""
        generation = self._lexical.generation
        if generation is not None and generation.reader is broken:
            await self._lexical.run(self._lexical.repair, generation, reason)
        return self.lexical_reader()

    async def catch_up(self, *, save: bool = True) -> None:
        """Bring both derived indexes to the newest change, and tell the world if anything has changed.

        Without `save`, vectors are kept in memory until there are enough of them.
        """
        changed = await asyncio.gather(
            self._lexical.run(self._lexical.catch_up, save), self._neighbours.run(self._neighbours.catch_up, save)
        )
        seen = min(self._lexical.keeper.saved_seq, self._neighbours.keeper.saved_seq)
        if seen - self._pruned >= _PRUNE_AFTER:
            await self.database.write(lambda connection: changes.prune(connection, seen))
            self._pruned = seen
        if any(changed):
            self._publish("index", IndexEvent(index=self.name, seq=self._lexical.keeper.seq))

    def follow(self) -> None:
        """Bring both to the newest change, and do not wait for it."""
        self._in_background(self._lexical)
        self._in_background(self._neighbours)

    async def compact(self) -> None:
        """Make the files as small as what is in them: the lexical index built anew, the database copied."""
        await self._lexical.run(self._lexical.keeper.rebuild, "compacted")
        await self.database.compact()

    async def status(self, collections: Sequence[str] = ()) -> IndexStatus:
        """What is in it, or in these collections of it, and how large it is on disk."""
        directory = self.paths.index_dir(self.name)
        summary = partial(reading.summary, index=self.name, directory=directory, names=collections)
        return msgspec.convert(await self.database.read(summary), IndexStatus)

    async def close(self) -> None:
        """Stop what is being built, save, close."""
        self._stopping.set()
        try:
            await asyncio.to_thread(self._close)
        finally:
            await self.database.close()

    def _close(self) -> None:
        try:
            self._lexical.close()
        finally:
            self._neighbours.close()

    def _repair_neighbours(self, broken: Neighbours | None, reason: str) -> Future[None]:
        return self._neighbours.submit(self._neighbours.repair, broken, reason)

    def _in_background(self, kept: _Kept[Any]) -> None:
        if not self._stopping.is_set():
            kept.submit(kept.catch_up, True).add_done_callback(self._log_failure)

    def _log_failure(self, future: Future[Any]) -> None:
        error = future.exception()
        if error is not None and not self._stopping.is_set():
            log.error("derived.failed", index=self.name, exc_info=error)


class Indexes:
    """The open indexes of a daemon, each once."""

    def __init__(self, paths: Paths, publish: Publish) -> None:
        self._paths = paths
        self._publish = publish
        self._open: dict[str, Index] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._closed = False

    async def get(self, name: str) -> Index:
        """The index of that name, opened on first use and made if it is not there, or not there any more.

        Raises QmdError: `invalid` for what is no name, else as Database.open does.
        """
        if not self._stands(name):
            self._paths.index_dir(name)  # checks the name, before it gets a lock
            async with self._locks.setdefault(name, asyncio.Lock()):
                if self._closed:
                    raise QmdError("unavailable", "The daemon is stopping.", "Try again when it is back.")
                if not self._stands(name):
                    await self._let_go(name)
                    self._open[name] = await Index.open(name, self._paths, self._publish)
        index = self._open[name]
        await index.ready()
        return index

    def open_ones(self) -> list[Index]:
        """Those that somebody has used."""
        return list(self._open.values())

    def _stands(self, name: str) -> bool:
        return name in self._open and self._open[name].database.stands()

    async def _let_go(self, name: str) -> None:
        """Close one whose files somebody has removed or replaced: what is written to them would be lost."""
        gone = self._open.pop(name, None)
        if gone is not None:
            log.warning("index.replaced", index=name)
            try:
                await gone.close()
            except OSError as error:  # there is no place left to save to
                log.info("index.lost", index=name, reason=str(error))

    async def statuses(self) -> list[IndexStatus]:
        """What is in each that is open."""
        return [await index.status() for index in list(self._open.values())]

    async def answered(self) -> None:
        """Return when the writer of each that is open has done nothing, once: then it is not stuck."""
        for index in list(self._open.values()):
            await index.database.write(lambda _: None)

    async def close(self) -> None:
        """Close them all; again: nothing."""
        self._closed = True
        for name, lock in list(self._locks.items()):
            async with lock:  # one that is just being opened
                if name in self._open:
                    await self._open.pop(name).close()
