"""A truth to test on: a database of its own, documents in it, and vectors without a model."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping, Sequence

import numpy as np

from qmd_daemon.store import chunks, intake, meta
from qmd_daemon.store.chunks import Space, Span
from qmd_daemon.store.database import Database
from qmd_daemon.store.intake import File

DIMENSION = 16


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def connect(directory: object) -> sqlite3.Connection:
    """A connection to a new database in this directory that may write."""
    return Database.open(os.path.join(str(directory), "index.sqlite")).connect(readonly=False)


def add_collection(
    connection: sqlite3.Connection,
    name: str,
    path: str = "",
    *,
    contexts: Mapping[str, str] | None = None,
    ignore: Sequence[str] = (),
) -> None:
    connection.execute(
        "INSERT INTO collections (name, path, pattern, ignore, contexts) VALUES (?, ?, '**/*.md', ?, ?)",
        (name, path or f"/{name}", json.dumps(list(ignore)), json.dumps(contexts or {})),
    )


def put(
    connection: sqlite3.Connection, path: str, text: str = "", *, collection: str = "notes", title: str = ""
) -> int:
    """Store a document (its text is its path if none is given); its id."""
    text = text or path
    intake.put(connection, File(collection, path, title or path, digest(text), text, len(text), 1, 1))
    row = connection.execute(
        "SELECT id FROM documents WHERE collection = ? AND path = ?", (collection, path)
    ).fetchone()
    return int(row[0])


def delete(connection: sqlite3.Connection, *ids: int) -> None:
    """Remove documents, and the contents that nobody has any more."""
    intake.remove(connection, ids)
    intake.drop(connection, intake.unused(connection))


def space(connection: sqlite3.Connection, fingerprint: str = "model-1+cut", dimension: int = DIMENSION) -> Space:
    """This space, and make it the active one, whatever is in it."""
    found = chunks.prepare(connection, fingerprint, "a model", dimension)
    meta.put(connection, "space", str(found.id))
    return found


def vector(seed: int, dimension: int = DIMENSION) -> np.ndarray:
    """Of length 1, float32, and different for each seed."""
    found = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    return found / np.linalg.norm(found)


def blob(values: np.ndarray) -> bytes:
    return values.astype("<f2").tobytes()


def put_vectors(
    connection: sqlite3.Connection, where: Space, text: str, vectors: Sequence[np.ndarray | None]
) -> list[int]:
    """Store a content's chunks, one for each vector; their ids."""
    spans = [Span(number, number + 1, 1) for number in range(len(vectors))]
    blobs = [None if one is None else blob(one) for one in vectors]
    chunks.put(connection, where.id, digest(text), spans, blobs)
    rows = connection.execute(
        "SELECT id FROM chunks WHERE hash = ? AND space = ? ORDER BY ord", (digest(text), where.id)
    )
    return [row[0] for row in rows]
