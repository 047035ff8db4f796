"""What each operation on the models does: embed, rerank, expand, and what is in memory. Knows no transport."""

from __future__ import annotations

import numpy as np

from ipc.errors import QmdError
from ipc.protocol import (
    MAX_TEXTS,
    ClientClass,
    Embed,
    EmbedReply,
    Expand,
    ExpandReply,
    Judgement,
    ModelsLoad,
    ModelsUnload,
    ModelsUse,
    Ps,
    PsReply,
    Rerank,
    RerankReply,
    Role,
    TypedLine,
)
from qmd_daemon.engine.model import Priority, Vectors
from qmd_daemon.engine.supervisor import Engine
from qmd_daemon.serve.choosing import Chooser
from qmd_daemon.serve.dispatch import Answer

PRIORITIES: dict[ClientClass, Priority] = {
    "interactive": Priority.INTERACTIVE,
    "agent": Priority.AGENT,
    "bulk": Priority.INDEXING,
}
ModelRequest = Embed | Rerank | Expand | Ps | ModelsLoad | ModelsUnload | ModelsUse


class Models:
    """Raises QmdError for what a person should read."""

    def __init__(self, engine: Engine, chooser: Chooser) -> None:
        self._engine = engine
        self._chooser = chooser

    async def handle(self, request: ModelRequest) -> Answer:
        match request:
            case Embed():
                return await self._embed(request)
            case Rerank():
                return Answer(await self._rerank(request))
            case Expand():
                return Answer(await self._expand(request))
            case ModelsLoad():
                for role in self._roles(request.roles):
                    await self._engine.load(role, keep_alive=request.keep_alive, deadline_s=request.deadline_s)
            case ModelsUnload():
                for role in self._roles(request.roles):
                    await self._engine.unload(role)
            case ModelsUse():
                await self._chooser.use(request)
        return Answer(self._ps())

    async def _embed(self, request: Embed) -> Answer:
        _refuse_more_than_the_limit("texts", request.texts)
        vectors = await self._engine.embed(
            request.texts,
            kind=request.kind,
            priority=PRIORITIES[request.client],
            deadline_s=request.deadline_s,
            keep_alive=request.keep_alive,
        )
        binary = request.encoding == "f32"
        reply = EmbedReply(
            embeddings=[] if binary else _numbers(vectors),
            count=vectors.shape[0],
            dimension=vectors.shape[1],
            model=self._name("embedding"),
            encoding=request.encoding,
        )
        return Answer(reply, vectors.astype("<f4", copy=False).tobytes() if binary else b"")

    async def _rerank(self, request: Rerank) -> RerankReply:
        _refuse_more_than_the_limit("documents", request.documents)
        scores = await self._engine.rerank(
            request.query,
            request.documents,
            priority=PRIORITIES[request.client],
            deadline_s=request.deadline_s,
            keep_alive=request.keep_alive,
        )
        judged = [Judgement(index=at, score=score.probability, raw=score.raw) for at, score in enumerate(scores)]
        # By the raw number: of two good documents both probabilities may be 1.
        judged.sort(key=lambda one: -one.raw)
        return RerankReply(results=judged[: request.top_n], model=self._name("reranker"))

    async def _expand(self, request: Expand) -> ExpandReply:
        lines = await self._engine.expand(
            request.query,
            kinds=request.kinds,
            priority=PRIORITIES[request.client],
            deadline_s=request.deadline_s,
            keep_alive=request.keep_alive,
        )
        return ExpandReply(
            lines=[TypedLine(kind=line.kind, text=line.text) for line in lines], model=self._name("expansion")
        )

    def _ps(self) -> PsReply:
        engine = self._engine
        return PsReply(
            models=engine.models(), pid=engine.worker_pid, used_bytes=engine.used_bytes, queued=engine.status().queued
        )

    def _roles(self, named: list[Role]) -> list[Role]:
        return named or list(
            dict.fromkeys(status.role for status in self._engine.models() if status.state != "missing")
        )

    def _name(self, role: Role) -> str:
        model = self._engine.model(role)
        return model.name if model else ""


def _numbers(vectors: Vectors) -> list[list[float]]:
    """With nine decimals, which is as exact as float32. All that a float64 prints would be nearly twice as long to
    read: 66 instead of 24 ms for a thousand texts in Python's own json."""
    found: list[list[float]] = np.round(vectors.astype(np.float64), 9).tolist()
    return found


def _refuse_more_than_the_limit(what: str, texts: list[str]) -> None:
    if len(texts) > MAX_TEXTS:
        raise QmdError("too_large", f"{len(texts)} {what}, over the limit of {MAX_TEXTS}.", "Ask in parts.")
