"""One SQLite file under asyncio: a thread that writes, a few that read, each with its own connection."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

from ipc.errors import QmdError
from ipc.paths import private_dir
from qmd_daemon.store import meta, migrations

T = TypeVar("T")
_READERS = 4
_BUSY_MS = 10_000
_READ, _WRITE = "BEGIN", "BEGIN IMMEDIATE"
# What the log file is cut down to after a large transaction.
_JOURNAL_BYTES = 64 * 1024 * 1024
# SQLite errors that are the machine's, not ours.
_OUTSIDE = {
    sqlite3.SQLITE_FULL: "The disk is full.",
    sqlite3.SQLITE_READONLY: "It is read-only.",
    sqlite3.SQLITE_IOERR: "The disk reports an error.",
    sqlite3.SQLITE_CANTOPEN: "It cannot be opened.",
    sqlite3.SQLITE_BUSY: "Another program keeps it locked.",
    sqlite3.SQLITE_CORRUPT: "It is damaged: move it away, and `qmd update` builds it again.",
    sqlite3.SQLITE_NOTADB: "It is damaged: move it away, and `qmd update` builds it again.",
}


class Database:
    """The truth of one index. Every change to it goes through `write`."""

    def __init__(self, path: str) -> None:
        """Use `open`."""
        self.path = path
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="qmd-write")
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="qmd-read")
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._closed = False
        self._file = _identity(path)

    def stands(self) -> bool:
        """Whether the file at the path is still the one that is open."""
        return _identity(self.path) == self._file

    @classmethod
    def open(cls, path: str, create: bool = True) -> Database:
        """Open the file, bring its schema up to date, and give it an identity. Blocks for some milliseconds.

        Raises QmdError: `not_found` when it is missing and `create` is false, `version` when a newer program wrote
        it, `unavailable` when it is damaged or out of reach.
        """
        if not os.path.exists(path):
            if not create:
                raise QmdError("not_found", "Nothing is indexed yet.", "Add a directory: `qmd collection add PATH`.")
            private_dir(os.path.dirname(path))
            try:
                # SQLite gives its -wal and -shm files the permissions of this one.
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            except OSError as error:
                raise QmdError("unavailable", f"The index {path} cannot be made: {error.strerror}.") from None
        try:
            with closing(_connect(path)) as connection:
                _prepare(connection)
        except sqlite3.Error as error:
            if sentence := of_the_machine(error, path):
                raise sentence from error
            raise
        except ValueError as error:
            raise QmdError("version", f"{path}: {error}.", "Update QMD, or use another index.") from None
        return cls(path)

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on the writer's thread as one transaction; what it raises undoes it and is raised here.

        A caller that is cancelled while it waits for its turn changes nothing; once begun, the work is finished.
        """
        return await self._run(self._writer, work, _WRITE)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on a reader's thread; all that it reads is of one moment."""
        return await self._run(self._readers, work, _READ)

    async def compact(self) -> None:
        """Give the room of what was removed back to the disk. Takes as long as copying the file."""
        await self._run(self._writer, _vacuum, "")

    def connect(self, *, readonly: bool = True) -> sqlite3.Connection:
        """A connection in autocommit mode for a thread of one's own that works through much. Closed by `close`."""
        connection = _connect(self.path)
        self._opened.append(connection)
        connection.execute(f"PRAGMA query_only = {int(readonly)}")
        return connection

    async def close(self) -> None:
        """Finish what was begun and close; again: nothing."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._closed = True
        self._readers.shutdown(cancel_futures=True)
        self._writer.shutdown()
        for connection in self._opened:
            connection.close()

    async def _run(self, threads: ThreadPoolExecutor, work: Callable[[sqlite3.Connection], T], begin: str) -> T:
        if self._closed:
            raise QmdError("unavailable", "The index is closed.", "The daemon is stopping.")
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, self._transact, work, begin)
        except sqlite3.Error as error:
            if sentence := of_the_machine(error, self.path):
                raise sentence from error
            raise

    def _transact(self, work: Callable[[sqlite3.Connection], T], begin: str) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self.connect(readonly=begin == _READ)
        if not begin:  # SQLite does not do it in a transaction
            return work(connection)
        connection.execute(begin)
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk has rolled it back already
                connection.execute("ROLLBACK")
            raise
        return result


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _vacuum(connection: sqlite3.Connection) -> None:
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    migrations.migrate(connection)
    if not meta.get(connection, "identity"):
        # Tells a derived index whether it was derived from this very file.
        meta.put(connection, "identity", os.urandom(8).hex())


def of_the_machine(error: sqlite3.Error | OSError, path: str) -> QmdError | None:
    """A sentence for a person, if the machine is where the error comes from. Anything else is a bug."""
    if isinstance(error, OSError):
        why = f"The system says: {error.strerror}." if error.strerror else None
    else:
        why = _OUTSIDE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)  # the low byte is the primary code
    return QmdError("unavailable", f"The index {path} cannot be used.", why) if why else None
