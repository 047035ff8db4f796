"""Whether the database is sound, and what is derived from it in step with it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator

from ipc.finding import Finding, fail, ok, warn
from qmd_daemon.store import chunks, derived, generations
from qmd_daemon.store.derived import Derived
from qmd_daemon.store.generations import Seen
from qmd_daemon.store.lexicon import LexiconKind
from qmd_daemon.store.neighbours import NeighboursKind

_UPDATE = "`qmd update` builds it again from the database."
# A daemon that saves between two looks has another state each time; so often we look again.
_LOOKS = 3


def examine(connection: sqlite3.Connection, directory: str) -> Iterator[Finding]:
    """The database, the lexical index and the vectors. `connection` only reads, in one snapshot."""
    database = _database(connection)
    yield database
    if database.state == "fail":
        return
    yield _derived(connection, directory, LexiconKind())
    yield _derived(connection, directory, NeighboursKind())
    if pending := chunks.pending_documents(connection):
        yield warn(
            "embedding", f"{pending} documents have no vectors yet: their words alone find them.", "`qmd embed`."
        )
    else:
        yield ok("embedding", "All documents have vectors.")


def _database(connection: sqlite3.Connection) -> Finding:
    try:
        (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        said = str(error)
    if said != "ok":
        hint = "`qmd stop`, move its directory away, then `qmd update`: it is built again from your files."
        return fail("database", f"It is damaged: {' '.join(said.split())}.", hint)
    count = connection.execute("SELECT count(*) FROM documents").fetchone()[0]
    return ok("database", f"Sound; documents: {count}.")


def _derived(connection: sqlite3.Connection, directory: str, kind: Derived) -> Finding:
    check = kind.name
    total = kind.total(connection)
    place = os.path.join(directory, kind.name)
    for _ in range(_LOOKS):
        path = generations.current(place)
        seen = generations.read_seen(path) if path else None
        if path is None or seen is None:
            return fail(check, "It is missing.", _UPDATE) if total else ok(check, "Nothing is in it yet.")
        fault = _fault(connection, kind, path, seen)
        if generations.current(place) == path and generations.read_seen(path) == seen:
            break
    else:
        return warn(check, "The daemon changes it all the time.", "Look again when the update is done: `qmd status`.")
    if fault == derived.HALF_CHANGED:
        return warn(check, "It is being changed, or its writer was killed.", "If no update is running: `qmd update`.")
    if fault:
        return fail(check, f"It does not fit: {fault}.", _UPDATE)
    behind = derived.behind(connection, kind, seen)
    if behind:
        return warn(check, f"{behind} changes are not in it yet.", "The daemon adds them: `qmd update`.")
    return ok(check, f"In step with the database; entries: {total}.")


def _fault(connection: sqlite3.Connection, kind: Derived, path: str, seen: Seen) -> str:
    """Why it is not what the database says; "" when it is, as far as it claims to have seen it."""
    if fault := derived.mismatch(kind, connection, path, seen):
        return fault
    if not seen.files:
        count = 0
    else:
        try:
            generation = kind.open(connection, path, list(seen.files))
        except Exception as error:  # noqa: BLE001 - each engine has its own ways to say that files are damaged
            return f"damaged: {error}"
        count = generation.count()
        generation.close()
    total = kind.total(connection)
    return "" if count == total or derived.behind(connection, kind, seen) else f"holds {count} of {total}"
