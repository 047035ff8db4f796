"""The one mechanism that keeps a derived index in step with the truth.

A `Derived` says what is derived and how; a `Keeper` keeps one generation of it up to date: it replays the
changes that the generation has not seen, and builds a new one beside it when that cannot be done, because it
is missing, damaged, of another version, of another database, or too far behind. A crash at any point is
harmless: replaying a change twice has the effect of once, and a generation counts only when CURRENT names it.

The module is light, so that `qmd search` can import it for `current`.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from qmd_daemon.store import changes, generations, meta
from qmd_daemon.store.generations import Seen, current

__all__ = ["Derived", "Generation", "Keeper", "Stopped", "current"]

# Items read in one snapshot: short enough that SQLite's log does not grow behind it.
_STEP = 500
# Unsaved changes that are saved in any case: so many, or this share of the whole. Replaying one vector takes
# 0.5 ms; a fixed number would write an index of 100,000 vectors a hundred times while it grows.
_SAVE_AFTER = 1000
_SAVE_SHARE = 0.1
HALF_CHANGED = "left half changed"


class Generation(Protocol):
    """One state of a derived index, in a directory of its own."""

    def put(self, connection: sqlite3.Connection, ids: Sequence[int]) -> None:
        """Bring these items to what the truth says now; those that it has no more are removed."""

    def save(self) -> list[str]:
        """Make everything durable; the names of the files that this state consists of."""
        raise NotImplementedError

    def count(self) -> int:
        """How many items there are, as of the last `save` or later."""
        raise NotImplementedError

    def worn(self) -> bool:
        """Whether a new one would be much smaller."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of files and threads; what was not saved is lost."""


class Derived(Protocol):
    """What is derived, and how."""

    @property
    def name(self) -> str:
        """Of its directory."""
        raise NotImplementedError

    @property
    def kind(self) -> changes.Kind:
        """Of the changes that concern it."""
        raise NotImplementedError

    @property
    def in_place(self) -> bool:
        """Whether `save` changes files that it named before, and is what makes changes visible."""
        raise NotImplementedError

    def version(self, connection: sqlite3.Connection) -> str:
        """Of the format and of what is to be in it; a generation of another is replaced."""
        raise NotImplementedError

    def open(self, connection: sqlite3.Connection, path: str, files: Sequence[str]) -> Generation:
        """Open the generation at `path` that consists of these files, or, if there are none, start one.

        Any exception means that it is damaged.
        """
        raise NotImplementedError

    def ids(self, connection: sqlite3.Connection, after: int, limit: int) -> list[int]:
        """The next items to be in it, ascending."""
        raise NotImplementedError

    def total(self, connection: sqlite3.Connection) -> int:
        """How many items are to be in it."""
        raise NotImplementedError


class Stopped(Exception):
    """The daemon stops: what was being built is thrown away."""


class Keeper:
    """Keeps one derived index. All methods block, and belong to one thread."""

    def __init__(
        self,
        directory: str,
        derived: Derived,
        connect: Callable[[], sqlite3.Connection],
        stopping: Callable[[], bool],
        log: Callable[..., Any],
    ) -> None:
        """`connect` is called once, in the thread of the first catch-up. `log` takes an event and fields."""
        self._directory = directory
        self._derived = derived
        self._connect = connect
        self._stopping = stopping
        self._log = log
        self._connection: sqlite3.Connection | None = None
        self._summer = generations.Summer()
        self._path = ""
        self._unsaved = 0
        self._seen = Seen("", "", 0, None)
        self.generation: Generation | None = None
        self.seq = 0

    @property
    def saved_seq(self) -> int:
        """Changes up to this one need not be remembered for us."""
        return self._seen.seq

    def catch_up(self, *, save: bool = True) -> bool:
        """Bring the index to the newest change; whether anything in it has changed.

        Without `save`, what is not `in_place` is kept in memory until enough has come together.
        Raises Stopped.
        """
        connection = self._own_connection()
        changed, reason = False, self._ready(connection)
        if not reason:
            try:
                changed, reason = self._follow(connection, save)
            except (Stopped, sqlite3.Error):
                raise
            except Exception as error:  # noqa: BLE001 - each engine has its own ways to say that files are damaged
                reason = f"damaged: {error}"
        if reason:
            self._build(connection, reason)
        return changed or bool(reason)

    def rebuild(self, reason: str) -> None:
        """Replace the generation by one made from the truth alone. Raises Stopped."""
        self._build(self._own_connection(), reason)

    def close(self) -> None:
        """Save and close. What cannot be saved is derived again next time."""
        if self.generation is not None:
            try:
                if self._unsaved:
                    self._save(self.generation)
            except Exception as error:  # noqa: BLE001 - each engine has its own ways to say that the disk is full
                self._log("derived.unsaved", name=self._derived.name, reason=str(error))
            self.generation.close()
            self.generation = None

    # -- opening ---------------------------------------------------------------------------

    def _own_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _ready(self, connection: sqlite3.Connection) -> str:
        """Have a generation open; why it must be built first."""
        if self.generation is None:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            generations.sweep(self._directory)
            return self._open(connection)
        if self._seen.version != self._derived.version(connection):
            return "of another version"
        return "" if current(self._directory) == self._path else "missing"

    def _open(self, connection: sqlite3.Connection) -> str:
        """Open the current generation; why that cannot be done."""
        path = current(self._directory)
        seen = generations.read_seen(path) if path else None
        if path is None or seen is None:
            return "missing"
        with _snapshot(connection):
            if problem := mismatch(self._derived, connection, path, seen):
                return problem
            try:
                self.generation = self._derived.open(connection, path, list(seen.files or ()))
            except Exception as error:  # noqa: BLE001 - as in `catch_up`
                return f"damaged: {error}"
        self._path, self._seen, self.seq, self._unsaved = path, seen, seen.seq, 0
        return ""

    # -- changing --------------------------------------------------------------------------

    def _follow(self, connection: sqlite3.Connection, save: bool) -> tuple[bool, str]:
        """Apply what is new. Whether anything was, and why the generation must be built anew after all."""
        generation = self.generation
        if generation is None:
            raise RuntimeError(f"{self._derived.name} is not open")
        before = self._unsaved
        self.seq, total = self._replay(connection, generation, self.seq)
        due = save or self._derived.in_place or self._unsaved >= max(_SAVE_AFTER, _SAVE_SHARE * total)
        changed = self._unsaved > before
        if self._unsaved and due:
            self._save(generation)
            if generation.count() != total:
                return changed, f"holds {generation.count()} of {total}"
            if generation.worn():
                return changed, "worn"
        elif not self._unsaved and self.seq - self.saved_seq >= _SAVE_AFTER:
            # Changes of the other kind, which need not be kept for us: our files stay as they are.
            self._seen = self._seen._replace(seq=self.seq)
            generations.write_seen(self._path, self._seen)
        return changed, ""

    def _replay(self, connection: sqlite3.Connection, generation: Generation, seq: int) -> tuple[int, int]:
        """Apply all changes after `seq`; the number reached, and how many items there must be then."""
        while True:
            self._check()
            with _snapshot(connection):
                ids, upto = changes.after(connection, self._derived.kind, seq, _STEP)
                if ids:
                    generation.put(connection, ids)
                    self._unsaved += len(ids)
                if upto == changes.newest(connection):
                    return upto, self._derived.total(connection)
            seq = upto

    def _save(self, generation: Generation) -> None:
        if self._derived.in_place:
            generations.write_seen(self._path, self._seen._replace(files=None))
        names = generation.save()
        self._seen = self._seen._replace(seq=self.seq, files=self._summer.sums(self._path, names))
        generations.write_seen(self._path, self._seen)
        if not self._derived.in_place:
            generations.keep_only(self._path, names)
        self._unsaved = 0

    def _build(self, connection: sqlite3.Connection, reason: str) -> None:
        """Make a new generation from the truth, and put it in the place of the old one."""
        started = time.monotonic()
        path = generations.begin(self._directory)
        with _snapshot(connection):
            version, identity = self._derived.version(connection), meta.get(connection, "identity")
            seq = changes.newest(connection)
            generation = self._derived.open(connection, path, [])
        try:
            self._fill(connection, generation)
            seq, total = self._replay(connection, generation, seq)
            files = self._summer.sums(path, generation.save())
            if generation.count() != total:
                raise RuntimeError(f"{self._derived.name} holds {generation.count()} of {total} after it was built")
        except BaseException:
            generation.close()
            raise
        old, self.generation = self.generation, generation
        self._path, self._seen, self.seq, self._unsaved = path, Seen(version, identity, seq, files), seq, 0
        generations.write_seen(path, self._seen)
        generations.switch(self._directory, path)
        if old is not None:
            old.close()
        generations.sweep(self._directory)
        self._log("derived.built", name=self._derived.name, reason=reason, items=total, s=time.monotonic() - started)

    def _fill(self, connection: sqlite3.Connection, generation: Generation) -> None:
        last = 0
        while True:
            self._check()
            with _snapshot(connection):
                ids = self._derived.ids(connection, last, _STEP)
                if not ids:
                    return
                generation.put(connection, ids)
            last = ids[-1]

    def _check(self) -> None:
        if self._stopping():
            raise Stopped


def mismatch(derived: Derived, connection: sqlite3.Connection, path: str, seen: Seen) -> str:
    """Why a generation is not one that changes can be added to; "" when it is. Reads every byte of it."""
    if seen.version != derived.version(connection):
        return "of another version"
    if seen.identity != meta.get(connection, "identity"):
        return "of another database"
    if not changes.pruned(connection) <= seen.seq <= changes.newest(connection):
        return "too far behind"
    if seen.files is None:
        return HALF_CHANGED
    name = generations.damaged(path, seen.files)
    return f"damaged: {name}" if name else ""


def behind(connection: sqlite3.Connection, derived: Derived, seen: Seen) -> int:
    """How many changes a generation has yet to learn."""
    query = "SELECT count(*) FROM changes WHERE kind = ? AND seq > ?"
    return int(connection.execute(query, (derived.kind, seen.seq)).fetchone()[0])


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is read inside is of one moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:  # some errors have ended it already
            connection.execute("COMMIT")
