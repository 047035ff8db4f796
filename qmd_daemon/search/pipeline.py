"""Answering the three searches: what is checked first, and the parts that all of them share."""

from __future__ import annotations

from functools import partial

from ipc.protocol import Query, Search, SearchReply, Similar, VSearch
from qmd_daemon.engine.model import Priority
from qmd_daemon.engine.supervisor import Engine
from qmd_daemon.search import similar, syntax
from qmd_daemon.search.asked import Asked, Emit, Parts
from qmd_daemon.search.costs import Costs
from qmd_daemon.search.judging import Judge, Judging
from qmd_daemon.search.meaning import Meaning
from qmd_daemon.search.models import Expander, Reranker
from qmd_daemon.search.pause import Pause
from qmd_daemon.search.scope import Scope
from qmd_daemon.search.wording import Rewriter, Wording
from qmd_daemon.store import documents, filters, reading
from qmd_daemon.store.index import Indexes


class Searcher:
    """Answers the three searches. One for all indexes."""

    def __init__(
        self, indexes: Indexes, engine: Engine, judge: Judge | None = None, rewriter: Rewriter | None = None
    ) -> None:
        """`judge` and `rewriter` are the engine's own, unless others are given."""
        self._indexes = indexes
        self._parts = Parts(
            meaning=Meaning(engine),
            judging=Judging(judge or Reranker(engine)),
            wording=Wording(rewriter or Expander(engine)),
            costs=Costs(),
        )

    async def search(
        self,
        request: Search | VSearch | Query,
        emit: Emit | None = None,
        priority: Priority = Priority.INTERACTIVE,
    ) -> SearchReply:
        """Answer; `emit` is given the earlier stages of a `query`, with `done` false.

        Raises QmdError: invalid (the query or a filter), not_found (a collection), and, for a VSearch only, no_model,
        overloaded, deadline or unavailable: a Query does with words what it cannot do with vectors, and says so.
        """
        pause = Pause(request.pause_ms)
        parsed = syntax.parse(request.query)
        index = await self._indexes.get(request.index)
        collections = await index.database.read(partial(reading.chosen, names=request.collections))
        wanted = filters.read(
            collections,
            paths=request.paths,
            types=request.types,
            after=request.after,
            before=request.before,
            where=request.where,
        )
        allowed = await index.database.read(partial(filters.documents, asked=wanted)) if wanted.by_documents else None
        scope = Scope(index, wanted, None if allowed is None else tuple(allowed), priority, request.deadline_s)
        asked = Asked(request, parsed, scope, self._parts, pause)
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
        return await similar.answer(index, self._parts.meaning, request)
