"""The vector stage: a query's texts embedded, the nearest chunks, and the best of them for each document."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ipc.errors import QmdError
from ipc.protocol import SearchRequest
from qmd_daemon.engine.model import Priority
from qmd_daemon.engine.supervisor import Engine
from qmd_daemon.search import fusion, syntax
from qmd_daemon.search.hits import Found
from qmd_daemon.store import changes, chunks, documents
from qmd_daemon.store.index import Index

# Chunks asked for per document wanted, before asking for more: most documents have a few that are near.
_CHUNKS_PER_DOCUMENT = 4
# Filters remembered: a screen that is searched again and again asks for the same collections.
_FILTERS = 16
# Scripts other than Latin, how many letters of it one of their characters says as much as, and the languages that
# are written in them. Who knows one of these knows the script.
_SCRIPTS: tuple[tuple[re.Pattern[str], int, frozenset[str]], ...] = (
    (re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"), 3, frozenset({"zh", "ja"})),
    (re.compile(r"[\u3040-\u30ff]"), 2, frozenset({"ja"})),
    (re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]"), 3, frozenset({"ko"})),
    (re.compile(r"[\u0400-\u052f]"), 1, frozenset({"ru", "uk", "bg", "sr", "be", "mk"})),
    (re.compile(r"[\u0600-\u06ff]"), 1, frozenset({"ar", "fa", "ur"})),
    (re.compile(r"[\u0370-\u03ff\u0530-\u05ff\u0700-\u10ff\u1200-\u1cff]"), 1, frozenset()),
)
# From this share of a query on, what the model does not know decides what its vector says.
_FOREIGN_SHARE = 0.3


class Unfit(Exception):
    """Vectors are there and would only do harm: the model does not know the query's language."""


class Meaning:
    """Finds documents by vectors."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._filters: dict[tuple[str, int, int, tuple[str, ...]], NDArray[np.int64]] = {}

    async def nearest(
        self,
        index: Index,
        parsed: syntax.Parsed,
        request: SearchRequest,
        limit: int,
        priority: Priority,
        *,
        even_if_foreign: bool,
    ) -> tuple[list[Found], list[str]]:
        """The nearest documents, best first, by the cosine of their best chunk; and what there is to note.

        Raises Unfit, unless `even_if_foreign`, for a query in a language that the model does not know, and QmdError:
        no_model, overloaded, deadline or unavailable.
        """
        model = self._engine.model()
        if model is None:
            status = self._engine.status()
            raise QmdError("no_model", status.reason or "No embedding model is installed.", status.hint)
        notes = []
        if foreign(model.languages, _asked(parsed)):
            if not even_if_foreign:
                raise Unfit(f"{model.name} does not know this language")
            notes.append(f"{model.name} does not know this language: expect little of vectors.")
        space = index.vectors.space or await index.database.read(chunks.active)
        if space is None or not space.made_by(model.fingerprint):
            what = "Nothing is embedded yet" if space is None else f"The vectors are of another model, {space.model}"
            return [], [*notes, f"{what}: run `qmd embed`."]
        allowed = await index.database.read(
            partial(self._allowed, index=index.name, space=space.id, collections=request.collections)
        )
        lists = []
        for kind, texts in (("query", parsed.vectors), ("document", parsed.passages)):
            if texts:
                vectors = await self._engine.embed(
                    texts,
                    kind="query" if kind == "query" else "document",
                    priority=priority,
                    deadline_s=request.deadline_s,
                )
                lists += [await self._one(index, vector, limit, allowed, request.collections) for vector in vectors]
        return _merge(lists, limit), notes

    async def near(
        self, index: Index, vector: NDArray[np.float32], space: int, limit: int, collections: Sequence[str]
    ) -> list[Found]:
        """The documents nearest to a vector of the active space, which is `space`."""
        allowed = await index.database.read(
            partial(self._allowed, index=index.name, space=space, collections=collections)
        )
        return _merge([await self._one(index, vector, limit, allowed, collections)], limit)

    async def _one(
        self,
        index: Index,
        vector: NDArray[np.float32],
        limit: int,
        allowed: NDArray[np.int64] | None,
        collections: Sequence[str],
    ) -> list[Found]:
        """Ask for chunks until they are of enough documents, or there are no more."""
        wanted = limit * _CHUNKS_PER_DOCUMENT
        while True:
            near = await asyncio.to_thread(index.vectors.search, vector, wanted, allowed)
            found = await index.database.read(partial(_documents, near=near, collections=collections))
            if len(found) >= limit or len(near) < wanted:
                return found[:limit]
            wanted *= 4

    def _allowed(
        self, connection: sqlite3.Connection, index: str, space: int, collections: Sequence[str]
    ) -> NDArray[np.int64] | None:
        """The chunks of the chosen collections, ascending; None for all."""
        if not collections:
            return None
        key = (index, space, changes.newest(connection), tuple(sorted(set(collections))))
        if key not in self._filters:
            ids = chunks.ids_in(connection, collections)
            while len(self._filters) >= _FILTERS:
                self._filters.pop(next(iter(self._filters)))
            self._filters[key] = np.array(ids, dtype=np.int64)
        return self._filters[key]


def foreign(languages: Sequence[str], query: str) -> bool:
    """Whether too much of a query is in scripts of which a model knows no language.

    A model without `languages` knows all of them. Latin is known to every model: what it makes of German or
    Spanish helps (nDCG@10 .59 against .50, .52 against .36, for an English model on English documents).
    """
    if not languages:
        return False
    unknown = sum(
        len(script.findall(query)) * letters for script, letters, known in _SCRIPTS if not known.intersection(languages)
    )
    latin = sum(character.isalpha() and character < "\u0370" for character in query)
    return unknown > _FOREIGN_SHARE * (unknown + latin)


def _asked(parsed: syntax.Parsed) -> str:
    return " ".join((*parsed.vectors, *parsed.passages))


def _documents(
    connection: sqlite3.Connection, near: Sequence[tuple[int, float]], collections: Sequence[str]
) -> list[Found]:
    """The documents of the chunks, each by its best one. A content that is there twice gives two."""
    found: dict[int, Found] = {}
    known = chunks.by_ids(connection, [chunk for chunk, _ in near])
    holders = documents.by_hashes(connection, list({chunk.hash for chunk in known.values()}), collections)
    for number, cosine in near:
        if (chunk := known.get(number)) is None:  # removed since the graph was brought up to date
            continue
        for document in holders.get(chunk.hash, []):
            if document.id not in found:
                found[document.id] = Found(document.id, max(0.0, cosine), span=(chunk.start, chunk.stop))
    return list(found.values())


def _merge(lists: Sequence[list[Found]], limit: int) -> list[Found]:
    """By the best cosine over all texts asked for."""
    best: dict[int, Found] = {}
    for found in lists:
        for one in found:
            if one.document not in best or one.score > best[one.document].score:
                best[one.document] = one
    ranked = sorted(best.values(), key=lambda one: -one.score)[:limit]
    fused = fusion.alone("vector", [(one.document, one.score) for one in ranked])
    return [one._replace(parts=scored.parts) for one, scored in zip(ranked, fused, strict=True)]
