"""The engine's reranker and expander, as the search asks them."""

from __future__ import annotations

from collections.abc import Sequence

from qmd_daemon.engine.model import Line, Priority, Score
from qmd_daemon.engine.supervisor import Engine


class Reranker:
    """A `judging.Judge`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def name(self) -> str:
        model = self._engine.model("reranker")
        return model.name if model else ""

    @property
    def unasked(self) -> bool:
        return self._engine.reranks_unasked

    async def rerank(
        self, query: str, documents: Sequence[str], *, priority: Priority, deadline_s: float | None
    ) -> list[Score]:
        return await self._engine.rerank(query, documents, priority=priority, deadline_s=deadline_s)


class Expander:
    """A `wording.Rewriter`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def name(self) -> str:
        model = self._engine.model("expansion")
        return model.name if model else ""

    async def expand(self, query: str, *, priority: Priority, deadline_s: float | None) -> list[Line]:
        return await self._engine.expand(query, priority=priority, deadline_s=deadline_s)
