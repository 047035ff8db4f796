"""Chunks of contents and their vectors, by space: what one model, cut one way, makes of the contents.

One space is active; only its vectors are searched. Functions over a connection, standard library only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from qmd_daemon.store import changes, meta
from qmd_daemon.store.documents import digests, numbers

_ACTIVE = "space"


class Space(NamedTuple):
    """`fingerprint` is `<model's fingerprint>+<how it was cut>`; `model` is the model's name, for people."""

    id: int
    fingerprint: str
    model: str
    dimension: int

    def made_by(self, fingerprint: str) -> bool:
        """Whether this model made it, so that its query vectors may be compared with these."""
        return self.fingerprint.partition("+")[0] == fingerprint


class Span(NamedTuple):
    """Characters [start, stop) of a content; `line` is the first one's, from 1."""

    start: int
    stop: int
    line: int


class Source(NamedTuple):
    """A content to embed. `path` is the first, in alphabetical order, of the documents that have it."""

    hash: str
    path: str
    text: str


def active(connection: sqlite3.Connection) -> Space | None:
    """The space that is searched; None while nothing was ever embedded."""
    row = connection.execute(
        "SELECT id, fingerprint, model, dimension FROM spaces WHERE id = ?", (meta.get(connection, _ACTIVE, "0"),)
    ).fetchone()
    return None if row is None else Space(*row)


def prepare(connection: sqlite3.Connection, fingerprint: str, model: str, dimension: int) -> Space:
    """Find this space, or make it. Where the active one has nothing to search, this one takes its place at once."""
    connection.execute(
        "INSERT INTO spaces (fingerprint, model, dimension) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (fingerprint, model, dimension),
    )
    row = connection.execute(
        "SELECT id, fingerprint, model, dimension FROM spaces WHERE fingerprint = ?", (fingerprint,)
    ).fetchone()
    if not vectors(connection):
        meta.put(connection, _ACTIVE, str(row[0]))
    return Space(*row)


def activate(connection: sqlite3.Connection, space: int) -> bool:
    """Make this space the active one if every content of every document is done in it. Returns whether it is active.

    The others stay, whole: whoever goes back to the model of one of them finds its vectors. `cleanup` removes them.
    """
    if not pending(connection, space, limit=1):
        meta.put(connection, _ACTIVE, str(space))
    return meta.get(connection, _ACTIVE, "0") == str(space)


def holders(
    connection: sqlite3.Connection, ids: Sequence[int], collections: Sequence[str] = ()
) -> list[tuple[int, int, int, int]]:
    """(chunk, document, start, stop) for each document in these collections (all, if none is named) that has one of
    the chunks, by collection and path.
    """
    rows = connection.execute(
        "SELECT chunks.id, documents.id, start, stop, collection FROM json_each(?) AS wanted"
        " CROSS JOIN chunks ON chunks.id = wanted.value CROSS JOIN documents ON documents.hash = chunks.hash"
        " ORDER BY documents.collection, documents.path",
        (numbers(ids),),
    )
    return [row[:4] for row in rows if not collections or row[4] in collections]


def ids_in(connection: sqlite3.Connection, collections: Sequence[str]) -> list[int]:
    """The chunks of the active space with a vector whose content is in these collections, in ascending order."""
    found: set[int] = set()
    for collection in collections:
        found.update(
            row[0]
            for row in connection.execute(
                "SELECT vectors.chunk FROM documents CROSS JOIN chunks ON chunks.hash = documents.hash"
                " JOIN vectors ON vectors.chunk = chunks.id WHERE collection = ? AND space = ?",
                (collection, meta.get(connection, _ACTIVE, "0")),
            )
        )
    return sorted(found)


def held(connection: sqlite3.Connection, wanted: Sequence[int]) -> list[tuple[int, int]]:
    """(chunk, document) for the chunks of the active space with a vector whose content one of these documents has."""
    return connection.execute(
        # CROSS: in this order. What SQLite takes for better reads all vectors.
        "SELECT vectors.chunk, documents.id FROM json_each(?) AS wanted CROSS JOIN documents"
        " ON documents.id = wanted.value CROSS JOIN chunks ON chunks.hash = documents.hash"
        " CROSS JOIN vectors ON vectors.chunk = chunks.id WHERE space = ?",
        (numbers(wanted), meta.get(connection, _ACTIVE, "0")),
    ).fetchall()


def ids_of(connection: sqlite3.Connection, wanted: Sequence[int]) -> list[int]:
    """The chunks of `held`, each once, in ascending order."""
    return sorted({chunk for chunk, _ in held(connection, wanted)})


def count(connection: sqlite3.Connection, collections: Sequence[str] = ()) -> int:
    """How many chunks the active space has, of contents in these collections (all, if none is named)."""
    return _counted(connection, "chunks", collections)


def vectors(connection: sqlite3.Connection, collections: Sequence[str] = ()) -> int:
    """The same of vectors."""
    return _counted(connection, "chunks JOIN vectors ON vectors.chunk = chunks.id", collections)


def _counted(connection: sqlite3.Connection, rows: str, collections: Sequence[str]) -> int:
    query = f"SELECT count(*) FROM {rows} WHERE space = ?"  # noqa: S608 - `rows` is one of the two above
    if collections:
        query += " AND hash IN (SELECT hash FROM documents WHERE collection IN (SELECT value FROM json_each(?)))"
    names = [_names(collections)] if collections else []
    return int(connection.execute(query, [meta.get(connection, _ACTIVE, "0"), *names]).fetchone()[0])


def vectors_of(connection: sqlite3.Connection, space: int, content: str) -> list[bytes]:
    """The vectors of a content, named by its hash, in a space: float16, little-endian, in the order of its chunks."""
    rows = connection.execute(
        "SELECT vector FROM chunks JOIN vectors ON vectors.chunk = chunks.id WHERE space = ? AND hash = ? ORDER BY ord",
        (space, content),
    )
    return [row[0] for row in rows]


def pending(connection: sqlite3.Connection, space: int, limit: int = -1, collections: Sequence[str] = ()) -> list[str]:
    """The contents of documents that are not yet done in a space, in the order of the documents; -1 means all.

    Of all collections, if none is named.
    """
    rows = connection.execute(
        "SELECT hash FROM documents WHERE NOT EXISTS"
        " (SELECT 1 FROM embedded WHERE space = ?1 AND embedded.hash = documents.hash)"
        " AND (?2 = '[]' OR collection IN (SELECT value FROM json_each(?2)))"
        " GROUP BY hash ORDER BY min(id) LIMIT ?3",
        (space, _names(collections), limit),
    )
    return [row[0] for row in rows]


def pending_documents(connection: sqlite3.Connection, collections: Sequence[str] = ()) -> int:
    """How many documents have no vectors yet in the active space: all of them while there is none.

    Of all collections, if none is named.
    """
    query = (
        "SELECT count(*) FROM documents WHERE NOT EXISTS"
        " (SELECT 1 FROM embedded WHERE space = ?1 AND embedded.hash = documents.hash)"
        " AND (?2 = '[]' OR collection IN (SELECT value FROM json_each(?2)))"
    )
    active_id = meta.get(connection, _ACTIVE, "0")
    return int(connection.execute(query, (active_id, _names(collections))).fetchone()[0])


def sources(connection: sqlite3.Connection, hashes: Sequence[str]) -> list[Source]:
    """What there is to embed of these contents; those that no document has any more are left out."""
    rows = connection.execute(
        "SELECT contents.hash, min(path), text FROM contents JOIN documents ON documents.hash = contents.hash"
        " WHERE contents.hash IN (SELECT value FROM json_each(?)) GROUP BY contents.hash ORDER BY min(documents.id)",
        (digests(hashes),),
    )
    return [Source(*row) for row in rows]


def put(
    connection: sqlite3.Connection, space: int, content: str, spans: Sequence[Span], vectors: Sequence[bytes | None]
) -> None:
    """Store the chunks of a content, named by its hash, with their vectors.

    Vectors are float16, little-endian; None where the model gave nonsense. What was there of this content in this
    space is replaced. A content that has gone meanwhile is left out.
    """
    if connection.execute("SELECT 1 FROM contents WHERE hash = ?", (content,)).fetchone() is None:
        return
    remove(connection, [content], space)
    stored = []
    for ord_, (span, vector) in enumerate(zip(spans, vectors, strict=True)):
        chunk = connection.execute(
            "INSERT INTO chunks (space, hash, ord, start, stop, line) VALUES (?, ?, ?, ?, ?, ?)",
            (space, content, ord_, *span),
        ).lastrowid
        if vector is not None and chunk is not None:
            stored.append((chunk, vector))
    connection.executemany("INSERT INTO vectors VALUES (?, ?)", stored)
    changes.append(connection, "vector", [chunk for chunk, _ in stored], removed=False)
    connection.execute("INSERT INTO embedded VALUES (?, ?)", (space, content))


def remove(connection: sqlite3.Connection, hashes: Sequence[str], space: int = 0) -> None:
    """Remove the chunks and vectors of these contents, in one space or (0) in all, so that they are pending again."""
    listed = digests(hashes)
    gone = [
        row[0]
        for row in connection.execute(
            "SELECT id FROM chunks WHERE hash IN (SELECT value FROM json_each(?2)) AND ?1 IN (0, space)",
            (space, listed),
        )
    ]
    ids = (numbers(gone),)
    connection.execute("DELETE FROM vectors WHERE chunk IN (SELECT value FROM json_each(?))", ids)
    connection.execute("DELETE FROM chunks WHERE id IN (SELECT value FROM json_each(?))", ids)
    connection.execute(
        "DELETE FROM embedded WHERE hash IN (SELECT value FROM json_each(?2))"
        " AND space IN (SELECT id FROM spaces WHERE ?1 IN (0, id))",
        (space, listed),
    )
    changes.append(connection, "vector", gone, removed=True)


def forget(connection: sqlite3.Connection, space: int, limit: int, collections: Sequence[str] = ()) -> bool:
    """Undo up to `limit` contents of a space, or of some collections in it. False when nothing was left to undo."""
    rows = connection.execute(
        "SELECT hash FROM embedded WHERE space = ?1 AND (?2 = '[]' OR hash IN (SELECT hash FROM documents"
        " WHERE collection IN (SELECT value FROM json_each(?2)))) LIMIT ?3",
        (space, _names(collections), limit),
    ).fetchall()
    remove(connection, [row[0] for row in rows], space)
    return bool(rows)


def others(connection: sqlite3.Connection) -> list[int]:
    """The spaces that are not the active one."""
    active_id = meta.get(connection, _ACTIVE, "0")
    return [row[0] for row in connection.execute("SELECT id FROM spaces WHERE id <> ?", (active_id,))]


def _names(collections: Sequence[str]) -> str:
    import json  # `qmd search` imports this module, and needs no JSON

    return json.dumps(list(collections))
