"""A dispatcher whose work the test decides."""

from __future__ import annotations

import asyncio

import pytest

from ipc.protocol import (
    AnyRequest,
    Done,
    Embed,
    EmbedReply,
    Expand,
    ExpandReply,
    Hit,
    JobGet,
    Judgement,
    Ps,
    PsReply,
    Query,
    Reply,
    Rerank,
    RerankReply,
    Search,
    SearchReply,
    TypedLine,
    VSearch,
)
from qmd_daemon.serve.dispatch import Answer, Dispatcher, Emit
from qmd_daemon.serve.lifecycle import Lifecycle

HIT = Hit(docid="#abc123", file="qmd://n/a.md", collection="n", path="a.md", title="A", line=1, score=0.5)
LEXICAL = SearchReply(results=[HIT], stage="lexical", done=False)
FUSED = SearchReply(results=[HIT], stage="fused", notes=["all is well"])


class Work:
    """Answers searches and embeddings in a fixed way. What is in `endless` waits until it is cancelled."""

    def __init__(self) -> None:
        self.requests: list[AnyRequest] = []
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.may_leave = asyncio.Event()  # a cancelled one takes until then to end
        self.may_leave.set()
        self.error: Exception | None = None
        self.endless: tuple[type[AnyRequest], ...] = (JobGet,)

    async def handle(self, request: AnyRequest, emit: Emit) -> Answer:
        self.requests.append(request)
        if self.error:
            raise self.error
        if isinstance(request, self.endless):
            await self._wait()
        if isinstance(request, Search | VSearch | Query) and request.stream:
            await emit(LEXICAL)
        return _answer(request)

    async def _wait(self) -> None:
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
            await self.may_leave.wait()


def _answer(request: AnyRequest) -> Answer:
    reply: Reply = Done()
    match request:
        case Search() | VSearch() | Query():
            reply = FUSED
        case Embed(encoding="f32"):
            return Answer(EmbedReply(count=1, dimension=2, model="m", encoding="f32"), b"\0\0\0?\0\0\x80?")
        case Embed():
            reply = EmbedReply(embeddings=[[0.5, 1.0] for _ in request.texts], count=1, dimension=2, model="m")
        case Rerank():
            reply = RerankReply(results=[Judgement(index=0, score=0.5, raw=0.0)], model="m")
        case Expand():
            reply = ExpandReply(lines=[TypedLine(kind="lex", text="q")], model="m")
        case Ps():
            reply = PsReply(models=[], pid=7)
    return Answer(reply)


@pytest.fixture
async def work() -> Work:
    return Work()


@pytest.fixture
async def lifecycle() -> Lifecycle:
    return Lifecycle("1.2.3")


@pytest.fixture
async def dispatcher(lifecycle: Lifecycle, work: Work) -> Dispatcher:
    dispatcher = Dispatcher(lifecycle, max_in_flight=2)
    dispatcher.open(work.handle)
    return dispatcher
