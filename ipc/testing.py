"""A client without a daemon, for tests of whatever talks to one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Literal, Self, TypeVar

from msgspec import Struct

from ipc.errors import QmdError
from ipc.protocol import ClientClass, Embed, EmbedReply, Ping, Pong, Reply, Request, Topic

R = TypeVar("R", bound=Reply)
# One reply, several for a stream, or an error to raise.
Told = Reply | QmdError | Iterable[Reply]
Handler = Callable[[Request], Told]


class FakeClient:
    """The methods of `ipc.client.Client`; answers what the test told it to, and remembers what it was asked.

    `hold(kind)` keeps the answers to a kind of request back until the event it returns is set, so that a
    test decides which of two answers comes first; `hold(kind, after=1)` lets the first reply of a stream pass.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.cancelled: list[Request] = []
        self._handlers: dict[type[Request], Handler] = {}
        self._gates: dict[type[Request], tuple[asyncio.Event, int]] = {}
        self._listeners: list[asyncio.Queue[tuple[Topic, Struct]]] = []

    def on(self, kind: type[Request], told: Told | Handler) -> None:
        """Answer requests of this kind so; a function is asked each time."""
        self._handlers[kind] = told if callable(told) else lambda _: told

    def hold(self, kind: type[Request], *, after: int = 0) -> asyncio.Event:
        gate = asyncio.Event()
        self._gates[kind] = gate, after
        return gate

    def emit(self, topic: Topic, event: Struct) -> None:
        """Send an event to everybody who listens now."""
        for listener in self._listeners:
            listener.put_nowait((topic, event))

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def call(self, request: Request, reply: type[R], *, timeout_s: float = 30.0) -> R:
        self.requests.append(request)
        await self._pass(request, 0)
        *_, last = self._told(request)
        assert isinstance(last, reply), f"{request!r} was told {last!r}"  # noqa: S101
        return last

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: Literal["query", "document"] = "document",
        client: ClientClass = "interactive",
        timeout_s: float = 60.0,
    ) -> memoryview[float] | list[list[float]]:
        request = Embed(texts=list(texts), kind=kind, client=client, encoding="f32")
        return (await self.call(request, EmbedReply)).embeddings

    async def stream(self, request: Request, reply: type[R], *, timeout_s: float = 30.0) -> AsyncGenerator[R, None]:
        self.requests.append(request)
        await self._pass(request, 0)
        for number, answer in enumerate(self._told(request)):
            if number:
                await self._pass(request, number)
            assert isinstance(answer, reply), f"{request!r} was told {answer!r}"  # noqa: S101
            yield answer

    async def events(self, *topics: Topic) -> AsyncGenerator[tuple[Topic, Struct], None]:
        listener: asyncio.Queue[tuple[Topic, Struct]] = asyncio.Queue()
        self._listeners.append(listener)
        try:
            while True:
                topic, event = await listener.get()
                if not topics or topic in topics:
                    yield topic, event
        finally:
            self._listeners.remove(listener)

    async def ping(self, *, timeout_s: float = 5.0) -> Pong:
        return await self.call(Ping(), Pong)

    async def _pass(self, request: Request, number: int) -> None:
        """Wait where the test holds the reply of this number."""
        gate, after = self._gates.get(type(request), (None, 0))
        if gate is None or number != after:
            return
        try:
            await gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(request)
            raise

    def _told(self, request: Request) -> Iterable[Reply]:
        handler = self._handlers.get(type(request))
        if handler is None:
            raise QmdError("unknown_op", f"The test has told nothing about {type(request).__name__}.")
        told = handler(request)
        if isinstance(told, QmdError):
            raise told
        return [told] if isinstance(told, Reply) else told
