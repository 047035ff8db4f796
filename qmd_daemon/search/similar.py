"""What is like a document: the nearest to the middle of its chunks, by the vectors that are stored."""

from __future__ import annotations

import sqlite3
import time
from functools import partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from ipc.errors import QmdError
from ipc.protocol import SearchReply, Similar
from qmd_daemon.engine.model import Priority
from qmd_daemon.search import hits, syntax
from qmd_daemon.search.meaning import Meaning
from qmd_daemon.search.scope import Scope
from qmd_daemon.store import chunks, documents, filters, reading
from qmd_daemon.store.index import Index

_NO_WORDS = syntax.Parsed((), ())


async def answer(index: Index, meaning: Meaning, request: Similar) -> SearchReply:
    """The documents like `request.ref`, without itself. Raises QmdError: not_found, conflict."""
    started = time.perf_counter()
    document, space, vector = await index.database.read(partial(_middle, ref=request.ref))
    collections = await index.database.read(partial(reading.chosen, names=request.collections))
    scope = Scope(index, filters.read(collections), None, Priority.INTERACTIVE)
    near = await meaning.near(scope, vector, space, request.top_k + 1)
    least = request.min_score
    found = [one for one in near if one.document != document and (least is None or one.score >= least)]
    rows = await index.database.read(
        partial(hits.rows, found=found[: request.top_k], parsed=_NO_WORDS, index=index.name)
    )
    ms = round((time.perf_counter() - started) * 1000, 2)
    stage = {"name": "vector", "ran": True, "ms": ms, "count": len(rows)}
    return msgspec.convert({"results": rows, "stage": "vector", "stages": [stage]}, SearchReply)


def _middle(connection: sqlite3.Connection, ref: str) -> tuple[int, int, NDArray[np.float32]]:
    """The document, the active space, and the mean of the document's vectors in it, of length 1."""
    document, _, _ = documents.find(connection, ref)
    space = chunks.active(connection)
    stored = [] if space is None else chunks.vectors_of(connection, space.id, document.hash)
    if space is None or not stored:
        name = documents.uri(document.collection, document.path)
        raise QmdError("not_found", f"{name} has no vectors.", "`qmd embed` makes those that are missing.")
    vectors = np.array([np.frombuffer(blob, "<f2") for blob in stored], dtype=np.float32)
    middle = vectors.mean(axis=0)
    return document.id, space.id, middle / max(float(np.linalg.norm(middle)), 1e-12)
