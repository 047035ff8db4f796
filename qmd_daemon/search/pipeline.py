"""A search from the request to the answer: its stages, what each of them may cost, and what is left out and why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from ipc.errors import QmdError
from ipc.protocol import Hit, Query, Search, SearchReply, SearchRequest, Similar, Stage, VSearch
from qmd_daemon.engine.model import Priority
from qmd_daemon.engine.supervisor import Engine
from qmd_daemon.search import fusion, hits, similar, syntax
from qmd_daemon.search.hits import CANDIDATES, Found
from qmd_daemon.search.meaning import Meaning, Unfit
from qmd_daemon.store import documents, reading
from qmd_daemon.store.index import Index, Indexes

T = TypeVar("T")
Emit = Callable[[SearchReply], Awaitable[None]]


class Searcher:
    """Answers the three searches. One for all indexes."""

    def __init__(self, indexes: Indexes, engine: Engine) -> None:
        self._indexes = indexes
        self._meaning = Meaning(engine)

    async def search(
        self,
        request: Search | VSearch | Query,
        emit: Emit | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> SearchReply:
        """Answer; `emit` is given the earlier stages of a `query`, with `done` false.

        Raises QmdError: invalid (the query), not_found (a collection), and, for a VSearch only, no_model, overloaded,
        deadline or unavailable: a Query does with words what it cannot do with vectors, and says so.
        """
        parsed = syntax.parse(request.query)
        index = await self._indexes.get(request.index)
        chosen = await index.database.read(partial(reading.chosen, names=request.collections))
        request = msgspec.structs.replace(request, collections=chosen)
        asked = _Asked(request, parsed, index, self._meaning, priority)
        match request:
            case Search():
                return await asked.lexical()
            case VSearch():
                return await asked.vector()
            case Query():
                return await asked.hybrid(emit)

    async def similar(self, request: Similar) -> SearchReply:
        """The documents nearest to one that is indexed. Raises QmdError: not_found, conflict."""
        index = await self._indexes.get(documents.index_of(request.ref) or request.index)
        return await similar.answer(index, self._meaning, request)


class _Asked:
    """One search under way."""

    def __init__(
        self, request: SearchRequest, parsed: syntax.Parsed, index: Index, meaning: Meaning, priority: Priority
    ) -> None:
        self._request = request
        self._parsed = parsed
        self._index = index
        self._meaning = meaning
        self._priority = priority
        self._stages: list[Stage] = []
        self._notes: list[str] = []
        self._started = time.perf_counter()

    async def lexical(self) -> SearchReply:
        if not self._parsed.lexical:
            raise QmdError("invalid", "The query has no `lex:` line.", "`vsearch` and `query` take the others.")
        return await self._reply("lexical", await self._words(self._request.top_k))

    async def vector(self) -> SearchReply:
        if not self._parsed.vectors and not self._parsed.passages:
            raise QmdError("invalid", "There is nothing to find the meaning of.", "Write what you look for.")
        found = await self._nearest(self._request.top_k, even_if_foreign=True)
        return await self._reply("vector", found)

    async def hybrid(self, emit: Emit | None) -> SearchReply:
        depth = max(CANDIDATES, self._request.top_k)
        async with asyncio.TaskGroup() as group:
            words = group.create_task(self._words(depth))
            nearest = group.create_task(self._nearest_or_why_not(depth))
            if emit is not None:
                await emit(await self._reply("lexical", await words, done=False))
        self._left_out()
        if not nearest.result():
            return await self._reply("lexical", words.result())
        started = time.perf_counter()
        fused = _fuse(words.result(), nearest.result() or [])
        self._ran("fusion", started, len(fused))
        return await self._reply("fused", fused)

    async def _words(self, limit: int) -> list[Found]:
        started = time.perf_counter()
        reader = self._index.lexical_reader()
        search = partial(hits.lexical, parsed=self._parsed, limit=limit, collections=self._request.collections)
        try:
            found = await asyncio.to_thread(search, reader)
        except (ValueError, OSError) as error:  # damaged: built again from the truth, and asked again
            found = await asyncio.to_thread(search, await self._index.repair_lexical(reader, str(error)))
        self._ran("lexical", started, len(found))
        return found

    async def _nearest(self, limit: int, *, even_if_foreign: bool) -> list[Found]:
        started = time.perf_counter()
        found, notes = await self._meaning.nearest(
            self._index, self._parsed, self._request, limit, self._priority, even_if_foreign=even_if_foreign
        )
        self._notes += notes
        self._ran("vector", started, len(found))
        return found

    async def _nearest_or_why_not(self, limit: int) -> list[Found] | None:
        """Vectors where they help, are there, and are there in time; None, and a stage that says why, where not."""
        budget_ms = self._request.budget_ms
        left_s = None if budget_ms is None else max(0.0, budget_ms / 1000 - (time.perf_counter() - self._started))
        try:
            async with asyncio.timeout(left_s):
                return await self._nearest(limit, even_if_foreign=False)
        except TimeoutError:
            self._skipped("vector", f"over the budget of {budget_ms} ms", tell=True)
        except Unfit as reason:
            self._skipped("vector", str(reason), tell=False)
        except QmdError as error:
            self._skipped("vector", error.message, tell=True, hint=error.hint)
        return None

    def _left_out(self) -> None:
        """Stages that were asked for and that no model is there for."""
        if self._request.expand:
            self._skipped("expand", "no model", tell=True)
        if self._request.rerank:
            self._skipped("rerank", "no model", tell=True)

    def _ran(self, name: str, started: float, count: int) -> None:
        ms = round((time.perf_counter() - started) * 1000, 2)
        self._stages.append(msgspec.convert({"name": name, "ran": True, "ms": ms, "count": count}, Stage))

    def _skipped(self, name: str, reason: str, *, tell: bool, hint: str = "") -> None:
        self._stages.append(msgspec.convert({"name": name, "ran": False, "reason": reason}, Stage))
        if tell:
            self._notes.append(f"Without {name}: {reason.rstrip('.')}. {hint}".strip())

    async def _reply(self, stage: str, found: Sequence[Found], *, done: bool = True) -> SearchReply:
        request = self._request
        chosen = [one for one in found if request.min_score is None or one.score >= request.min_score]
        rows = await self._index.database.read(
            partial(
                hits.rows,
                found=chosen[: request.top_k],
                parsed=self._parsed,
                index=self._index.name,
                explain=request.explain,
            )
        )
        results = msgspec.convert(rows, list[Hit])
        reply = {"results": results, "stage": stage, "stages": list(self._stages), "notes": list(self._notes)}
        return msgspec.convert({**reply, "done": done}, SearchReply)


def _fuse(words: Sequence[Found], nearest: Sequence[Found]) -> list[Found]:
    """Both lists as one. A document that has the words is shown where they are, another where its chunk is."""
    spans = {one.document: one.span for one in nearest}
    for one in words:
        spans.pop(one.document, None)
    fused = fusion.fuse(
        [
            fusion.Ranked("lexical", [(one.document, one.score) for one in words]),
            fusion.Ranked("vector", [(one.document, one.score) for one in nearest], kind="meaning"),
        ]
    )
    return [Found(one.document, one.score, one.parts, spans.get(one.document)) for one in fused]
