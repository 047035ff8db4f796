"""The vector stage: a query's texts embedded, the nearest chunks, and the best of them for each document."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipc.errors import QmdError
from qmd_daemon.engine.model import Kind
from qmd_daemon.engine.supervisor import Engine
from qmd_daemon.search import fusion
from qmd_daemon.search.calibrate import Closeness
from qmd_daemon.search.hits import Found
from qmd_daemon.search.scope import Scope
from qmd_daemon.store import changes, chunks
from qmd_daemon.store.filters import Filter

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


class Nearest(NamedTuple):
    """What vectors found for some texts: a list for each, best first, and what there is to note.

    `model` is the name of the one that made the vectors.
    """

    lists: list[list[Found]]
    vectors: list[NDArray[np.float32]]
    notes: list[str]
    model: str

    def merged(self, limit: int) -> list[Found]:
        """One list, by the best cosine over all texts."""
        return _merged(self.lists, limit)


class Meaning:
    """Finds documents by vectors."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._filters: dict[tuple[str, int, int, Filter], NDArray[np.int64]] = {}

    async def nearest(
        self, scope: Scope, questions: Sequence[str], passages: Sequence[str], limit: int, *, even_if_foreign: bool
    ) -> Nearest:
        """The nearest documents to each text, by the cosine of their best chunk.

        Raises Unfit, unless `even_if_foreign`, for a query in a language that the model does not know, and QmdError:
        no_model, overloaded, deadline or unavailable.
        """
        index = scope.index
        space = index.vectors.space or await index.database.read(chunks.active)
        # Another model than the one in use may have made them: it is asked until there are vectors of this one.
        maker = self._engine.maker(space.model, space.fingerprint.partition("+")[0]) if space else None
        model = maker or self._engine.model()
        if model is None:
            status = self._engine.status()
            raise QmdError("no_model", status.reason or "No embedding model is installed.", status.hint)
        notes = []
        if foreign(model.languages, " ".join((*questions, *passages))):
            if not even_if_foreign:
                raise Unfit(f"{model.name} does not know this language")
            notes.append(f"{model.name} does not know this language: expect little of vectors.")
        if space is None or maker is None:
            what = "Nothing is embedded yet" if space is None else f"The vectors are of another model, {space.model}"
            return Nearest([], [], [*notes, f"{what}: run `qmd embed`."], model.name)
        vectors: list[NDArray[np.float32]] = []
        kinds: tuple[tuple[Kind, Sequence[str]], ...] = (("query", questions), ("document", passages))
        for kind, texts in kinds:
            if texts:
                some = await self._engine.embed(
                    texts, kind=kind, priority=scope.priority, deadline_s=scope.deadline_s, model=maker
                )
                vectors += list(some)
        if index.vectors.space not in {None, space}:  # the other model's have just taken their place
            return await self.nearest(scope, questions, passages, limit, even_if_foreign=even_if_foreign)
        allowed = await self._allowed(scope, space.id)
        lists = [await self._one(scope, vector, limit, allowed) for vector in vectors]
        return Nearest(lists, vectors, notes, model.name)

    async def closeness(
        self, scope: Scope, vectors: Sequence[NDArray[np.float32]], wanted: Sequence[int]
    ) -> dict[int, Closeness]:
        """How near these documents' best chunks are to the vectors; documents without chunks are left out."""
        searched = scope.index.vectors
        space = searched.space
        if space is None:
            return {}
        holders: dict[int, list[int]] = {}
        for chunk, document in await scope.index.database.read(partial(chunks.held, wanted=wanted)):
            holders.setdefault(chunk, []).append(document)
        ids = np.array(sorted(holders), np.int64)
        allowed = await self._allowed(scope, space.id)

        def measure() -> list[tuple[float, float, list[tuple[int, float]]]]:
            return [(*searched.usual(vector, allowed), searched.search(vector, len(ids), ids)) for vector in vectors]

        best: dict[int, Closeness] = {}
        for usual, spread, near in await asyncio.to_thread(measure):
            for chunk, cosine in near:
                for document in holders[chunk]:
                    closeness = Closeness(max(0.0, cosine), usual, spread)
                    best[document] = max(best.get(document, closeness), closeness)
        return best

    async def near(self, scope: Scope, vector: NDArray[np.float32], space: int, limit: int) -> list[Found]:
        """The documents nearest to a vector of the active space, which is `space`."""
        allowed = await self._allowed(scope, space)
        return _merged([await self._one(scope, vector, limit, allowed)], limit)

    async def _one(
        self, scope: Scope, vector: NDArray[np.float32], limit: int, allowed: NDArray[np.int64] | None
    ) -> list[Found]:
        """Ask for chunks until they are of enough documents, or there are no more."""
        wanted = limit * _CHUNKS_PER_DOCUMENT
        while True:
            near = await asyncio.to_thread(scope.index.vectors.search, vector, wanted, allowed)
            found = await scope.index.database.read(partial(_documents, near=near, scope=scope))
            if len(found) >= limit or len(near) < wanted:
                return found[:limit]
            wanted *= 4

    async def _allowed(self, scope: Scope, space: int) -> NDArray[np.int64] | None:
        """The chunks of the documents that may be found, ascending; None for all."""
        if scope.allowed is None and not scope.filter.collections:
            return None
        return await scope.index.database.read(partial(self._filtered, scope=scope, space=space))

    def _filtered(self, connection: sqlite3.Connection, scope: Scope, space: int) -> NDArray[np.int64]:
        key = (scope.index.name, space, changes.newest(connection), scope.filter)
        if key not in self._filters:
            if scope.allowed is None:
                ids = chunks.ids_in(connection, scope.filter.collections)
            else:
                ids = chunks.ids_of(connection, scope.allowed)
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


def _merged(lists: Sequence[Sequence[Found]], limit: int) -> list[Found]:
    best: dict[int, Found] = {}
    for found in lists:
        for one in found:
            if one.document not in best or one.score > best[one.document].score:
                best[one.document] = one
    ranked = sorted(best.values(), key=lambda one: -one.score)[:limit]
    fused = fusion.alone("vector", [(one.document, one.score) for one in ranked])
    return [one._replace(parts=scored.parts) for one, scored in zip(ranked, fused, strict=True)]


def _documents(connection: sqlite3.Connection, near: Sequence[tuple[int, float]], scope: Scope) -> list[Found]:
    """The documents of the chunks, each by its best one. A content that is there twice gives two.

    Chunks that were removed since the vectors were brought up to date have none.
    """
    holders: dict[int, list[tuple[int, tuple[int, int]]]] = {}
    wanted = [chunk for chunk, _ in near]
    for chunk, document, start, stop in chunks.holders(connection, wanted, scope.filter.collections):
        holders.setdefault(chunk, []).append((document, (start, stop)))
    allowed = None if scope.allowed is None else frozenset(scope.allowed)
    found: dict[int, Found] = {}
    for chunk, cosine in near:
        for document, span in holders.get(chunk, ()):
            if document not in found and (allowed is None or document in allowed):
                found[document] = Found(document, max(0.0, cosine), span=span, chunk=span)
    return list(found.values())
