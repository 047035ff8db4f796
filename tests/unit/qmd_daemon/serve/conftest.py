"""A dispatcher whose work the test decides."""

from __future__ import annotations

import asyncio

import pytest

from ipc.protocol import (
    AnyRequest,
    Done,
    Embed,
    EmbedReply,
    Hit,
    JobGet,
    Query,
    Search,
    SearchReply,
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
        self.error: Exception | None = None
        self.endless: tuple[type[AnyRequest], ...] = (JobGet,)

    async def handle(self, request: AnyRequest, emit: Emit) -> Answer:
        self.requests.append(request)
        if self.error:
            raise self.error
        if isinstance(request, self.endless):
            await self._wait()
        match request:
            case Search() | VSearch() | Query():
                if request.stream:
                    await emit(LEXICAL)
                return Answer(FUSED)
            case Embed(encoding="f32"):
                return Answer(EmbedReply(count=1, dimension=2, model="m", encoding="f32"), b"\0\0\0?\0\0\x80?")
            case Embed():
                return Answer(
                    EmbedReply(embeddings=[[0.5, 1.0] for _ in request.texts], count=1, dimension=2, model="m")
                )
        return Answer(Done())

    async def _wait(self) -> None:
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()


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
