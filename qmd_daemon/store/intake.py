"""Putting documents into the truth, and taking them out, each with its line in the log of changes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from typing import NamedTuple

from qmd_daemon.store import changes, chunks, meta, pages
from qmd_daemon.store.documents import digests, numbers

UPDATED = "updated_at"


class File(NamedTuple):
    """A document as it was read. `hash` is the sha256 of `text`; `inode` 0 means: read it again next time.

    `metadata` are keys and values of its front matter.
    """

    collection: str
    path: str
    title: str
    hash: str
    text: str
    size: int
    mtime_ns: int
    inode: int
    metadata: tuple[tuple[str, str], ...] = ()


class Known(NamedTuple):
    """What tells whether a file has changed."""

    id: int
    size: int
    mtime_ns: int
    inode: int


def known(connection: sqlite3.Connection, collection: str) -> dict[str, Known]:
    """The documents of a collection by path."""
    rows = connection.execute(
        "SELECT path, id, size, mtime_ns, inode FROM documents WHERE collection = ?", (collection,)
    )
    return {row[0]: Known(*row[1:]) for row in rows}


def put(connection: sqlite3.Connection, file: File) -> str:
    """Store a document, under the id it has if it is known: "new", "updated" or, when it says the same, "unchanged"."""
    row = connection.execute(
        "SELECT id, hash, title FROM documents WHERE collection = ? AND path = ?", (file.collection, file.path)
    ).fetchone()
    same = row is not None and row[1:] == (file.hash, file.title)
    if connection.execute("INSERT OR IGNORE INTO contents VALUES (?, ?)", (file.hash, file.text)).rowcount:
        pages.put(connection, file.hash, file.text)
    connection.executemany(
        "INSERT OR IGNORE INTO metadata VALUES (?, ?, ?)", [(file.hash, *pair) for pair in file.metadata]
    )
    stored = connection.execute(
        "INSERT INTO documents (collection, path, title, hash, size, mtime_ns, inode, indexed_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (collection, path) DO UPDATE SET title = excluded.title,"
        " hash = excluded.hash, size = excluded.size, mtime_ns = excluded.mtime_ns, inode = excluded.inode,"
        " indexed_at = excluded.indexed_at RETURNING id",
        (file.collection, file.path, file.title, file.hash, file.size, file.mtime_ns, file.inode, time.time()),
    ).fetchone()
    if same:
        return "unchanged"
    changes.append(connection, "document", [stored[0]], removed=False)
    return "new" if row is None else "updated"


def remove(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Remove documents. Their contents stay until `drop`: the file may have moved."""
    connection.execute("DELETE FROM documents WHERE id IN (SELECT value FROM json_each(?))", (numbers(ids),))
    changes.append(connection, "document", ids, removed=True)


def orphans(connection: sqlite3.Connection, limit: int) -> list[int]:
    """Documents of collections that are not there any more."""
    rows = connection.execute(
        "SELECT id FROM documents WHERE collection NOT IN (SELECT name FROM collections) ORDER BY id LIMIT ?", (limit,)
    )
    return [row[0] for row in rows]


def unused(connection: sqlite3.Connection) -> list[str]:
    """The contents that no document has."""
    query = "SELECT hash FROM contents WHERE NOT EXISTS (SELECT 1 FROM documents WHERE documents.hash = contents.hash)"
    return [row[0] for row in connection.execute(query)]


def drop(connection: sqlite3.Connection, hashes: Sequence[str]) -> None:
    """Drop contents with their chunks and vectors, but for those that a document has got meanwhile."""
    used = {
        row[0]
        for row in connection.execute(
            "SELECT hash FROM documents WHERE hash IN (SELECT value FROM json_each(?))", (digests(hashes),)
        )
    }
    gone = [content for content in hashes if content not in used]
    chunks.remove(connection, gone)
    connection.execute("DELETE FROM contents WHERE hash IN (SELECT value FROM json_each(?))", (digests(gone),))


def finished(connection: sqlite3.Connection) -> None:
    """Note that the index was just brought up to date with the files."""
    meta.put(connection, UPDATED, repr(time.time()))
