"""All that an index knows, to be compared with another that knows the same notes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import Any, NamedTuple

from ipc.paths import Paths
from ipc.protocol import Query, Search, VSearch
from ipc.sync import SyncClient
from tests.integration import corpus


class State(NamedTuple):
    """All that an index knows, in the order of names and not of numbers."""

    documents: list[tuple[str, ...]]
    chunks: list[tuple[Any, ...]]
    answers: list[list[tuple[Any, ...]]]


def state(paths: Paths, client: SyncClient, asked: Iterable[int]) -> State:
    """With the answers to the questions of these notes."""
    with closing(sqlite3.connect(paths.database())) as database:
        documents = database.execute("SELECT path, title, hash FROM documents ORDER BY path").fetchall()
        chunks = database.execute(
            "SELECT hash, start, stop, vector FROM chunks JOIN vectors ON vectors.chunk = chunks.id"
            " ORDER BY hash, start"
        ).fetchall()
    answers = []
    for number in asked:
        for kind in (Search, VSearch, Query):
            hits = client.call(kind(query=corpus.question(number), top_k=5), timeout_s=60).results
            assert hits[0].path in corpus.answers(number)
            answers.append([(hit.path, hit.line, hit.score, hit.snippet, hit.matches) for hit in hits])
    return State(documents, chunks, answers)


def integrity(paths: Paths) -> list[tuple[str, ...]]:
    """What SQLite says of its file: [("ok",)]."""
    with closing(sqlite3.connect(paths.database())) as database:
        problems = database.execute("PRAGMA integrity_check").fetchall()
        return problems + database.execute("PRAGMA foreign_key_check").fetchall()
