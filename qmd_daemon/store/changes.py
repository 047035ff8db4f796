"""The log of what the derived indexes have to learn: one line for each document or vector put or removed.

A line is written in the transaction that makes the change. Its sequence number is never used again,
also after the log is pruned. Standard library only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Literal

from qmd_daemon.store import meta

Kind = Literal["document", "vector"]
_PRUNED = "changes_pruned"


def append(connection: sqlite3.Connection, kind: Kind, items: Iterable[int], *, removed: bool) -> None:
    """Note that these documents or vectors were put, or removed."""
    connection.executemany(
        "INSERT INTO changes (kind, item, removed) VALUES (?, ?, ?)", [(kind, item, int(removed)) for item in items]
    )


def newest(connection: sqlite3.Connection) -> int:
    """The highest sequence number given out, 0 if none."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").fetchone()
    return 0 if row is None else int(row[0])


def after(connection: sqlite3.Connection, kind: Kind, seq: int, limit: int) -> tuple[list[int], int]:
    """The items touched by the next `limit` changes of a kind, each once, and the number up to which that is all."""
    rows = connection.execute(
        "SELECT seq, item FROM changes WHERE seq > ? AND kind = ? ORDER BY seq LIMIT ?", (seq, kind, limit)
    ).fetchall()
    upto = rows[-1][0] if len(rows) == limit else newest(connection)
    return list(dict.fromkeys(item for _, item in rows)), upto


def pruned(connection: sqlite3.Connection) -> int:
    """Changes up to this number are gone: who has not seen them must start again."""
    return int(meta.get(connection, _PRUNED, "0"))


def prune(connection: sqlite3.Connection, upto: int) -> None:
    """Forget what everybody has seen."""
    if upto > pruned(connection):
        connection.execute("DELETE FROM changes WHERE seq <= ?", (upto,))
        meta.put(connection, _PRUNED, str(upto))
