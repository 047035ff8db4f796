"""An asyncio client: many requests at once over one connection."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Literal, NamedTuple, Self, TypeVar

import msgspec
import zmq
import zmq.asyncio
from msgspec import Struct

from ipc import codec, transport
from ipc.curve import Keys
from ipc.errors import DaemonUnreachable, QmdError
from ipc.link import Link
from ipc.protocol import (
    EVENTS,
    MAX_MESSAGE_BYTES,
    Cancel,
    ClientClass,
    Embed,
    EmbedReply,
    EventReply,
    Listen,
    Ping,
    Pong,
    Reply,
    Request,
    Topic,
)

R = TypeVar("R", bound=Reply)
# How long a daemon that has fallen silent in the middle of a stream may take to answer a ping.
PING_S = 5.0
# After the daemon has gone, or has said that it goes.
_AGAIN_S = 0.5


class Answer(NamedTuple):
    """One reply as it arrived; `binary` is the frame of vectors that may follow it."""

    head: codec.Head
    body: bytes
    binary: bytes


Answers = asyncio.Queue[Answer | QmdError]


class Client:
    """Enter and leave it in one task; its methods may be called from any task of the loop."""

    def __init__(self, address: str, events_address: str = "", keys: Keys | None = None) -> None:
        """`keys` for a daemon elsewhere, at `tcp://HOST:PORT`, whose events have no address of their own."""
        self._address = address
        self._keys = keys
        self._events_address = events_address
        self._ids = itertools.count(1)
        self._waiting: dict[str, Answers] = {}

    async def __aenter__(self) -> Self:
        self._context = zmq.asyncio.Context()
        self._closed = False
        self._refused: QmdError | None = None
        self._up = asyncio.Event()
        try:
            self._link = self._open()
        except BaseException:
            self._context.destroy()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        if self._refused is None:
            self._drop()
        self._context.destroy()
        self._fail_all(_closed())
        self._up.set()  # for those who wait for a daemon: there will be none

    async def call(self, request: Request, reply: type[R], *, timeout_s: float = 30.0) -> R:
        """Ask, and return the (last) reply.

        Raises the QmdError that the daemon answers, or DaemonUnreachable when it does not answer in time.
        Cancelling the caller cancels the request in the daemon.
        """
        answer = await self._ask(request, timeout_s)
        return codec.decode_reply(answer.head, answer.body, reply)

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: Literal["query", "document"] = "document",
        client: ClientClass = "interactive",
        timeout_s: float = 60.0,
    ) -> memoryview[float] | list[list[float]]:
        """Vectors for texts: a memoryview of shape (len(texts), dimension), float32; an empty list for no texts."""
        request = Embed(texts=list(texts), kind=kind, client=client, encoding="f32")
        answer = await self._ask(request, timeout_s)
        reply = codec.decode_reply(answer.head, answer.body, EmbedReply)
        if not reply.count:
            return []
        return memoryview(answer.binary).cast("f", shape=[reply.count, reply.dimension])

    async def stream(self, request: Request, reply: type[R], *, timeout_s: float = 30.0) -> AsyncGenerator[R, None]:
        """Ask, and yield every reply, the last with `done`. Closing the iterator early cancels the request.

        Use `contextlib.aclosing` to close it for sure where the loop may be left early. `timeout_s` is the
        longest silence before the daemon is asked whether it still lives.
        """
        with self._exchange(request) as (sent, answers):
            await self._send(sent, timeout_s)
            last = False
            while not last:
                answer = await self._next_of_stream(answers, timeout_s)
                last = answer.head.done
                yield codec.decode_reply(answer.head, answer.body, reply)

    async def events(self, *topics: Topic) -> AsyncGenerator[tuple[Topic, Struct], None]:
        """Every event of these topics (all, if none is named) from now on, also of a daemon that starts later.

        Raises QmdError for a daemon elsewhere that does not let us listen (any more).
        """
        if not self._events_address:
            async for found in self._replied_events(topics):
                yield found
            return
        socket = transport.connect(self._context, zmq.SUB, self._events_address)
        try:
            for topic in topics or EVENTS:
                socket.subscribe(topic)
            while True:
                name, body = await socket.recv_multipart()
                if (topic := name.decode()) in EVENTS:
                    yield topic, msgspec.json.decode(body, type=EVENTS[topic])
        finally:
            socket.close()

    async def _replied_events(self, topics: Sequence[Topic]) -> AsyncGenerator[tuple[Topic, Struct], None]:
        """From a daemon elsewhere they come as replies, over the one connection that there is."""
        while True:
            try:
                async with aclosing(self.stream(Listen(topics=list(topics)), EventReply)) as replies:
                    async for reply in replies:
                        if reply.topic in EVENTS:
                            yield reply.topic, msgspec.convert(reply.event, EVENTS[reply.topic])
            except QmdError as error:
                if error.code != "unavailable":
                    raise
                await asyncio.sleep(_AGAIN_S)

    async def ping(self, *, timeout_s: float = PING_S) -> Pong:
        """Raises DaemonUnreachable when no answer comes in time: the only proof of life there is."""
        return await self.call(Ping(), Pong, timeout_s=timeout_s)

    async def _ask(self, request: Request, timeout_s: float) -> Answer:
        if request.deadline_s is None:
            # Once we have given up, the daemon need not go on.
            request = msgspec.structs.replace(request, deadline_s=min(timeout_s, 3600.0))
        with self._exchange(request) as (sent, answers):
            try:
                async with asyncio.timeout(timeout_s):
                    await self._send(sent, timeout_s)
                    while not (answer := _opened(await answers.get())).head.done:
                        pass
                    return answer
            except TimeoutError:
                raise DaemonUnreachable(f"The daemon did not answer within {timeout_s:g} s.") from None

    async def _next_of_stream(self, answers: Answers, silence_s: float) -> Answer:
        """The next reply, however long it takes, as long as pings are answered."""
        while True:
            try:
                async with asyncio.timeout(silence_s):
                    return _opened(await answers.get())
            except TimeoutError:
                await self.ping(timeout_s=PING_S)

    @contextmanager
    def _exchange(self, request: Request) -> Iterator[tuple[Request, Answers]]:
        """Give the request an id and a queue for its answers; cancel it when we leave before the last one."""
        request = msgspec.structs.replace(request, id=request.id or f"c{next(self._ids)}")
        if request.id in self._waiting:
            raise QmdError("conflict", f"A request with the id {request.id!r} is under way.", "Leave the id empty.")
        if self._closed:
            raise _closed()
        if self._refused:
            raise self._refused
        self._pump()  # a connection that was lost before now is not this request's
        answers = self._waiting[request.id] = asyncio.Queue()
        try:
            yield request, answers
        finally:
            # The receiver removes it with the last answer, and with a lost connection.
            if self._waiting.pop(request.id, None) is not None:
                self._cancel(request.id)

    async def _send(self, request: Request, timeout_s: float) -> None:
        body = codec.encode(request)
        if len(body) > MAX_MESSAGE_BYTES:
            raise transport.too_large(len(body))
        try:
            async with asyncio.timeout(timeout_s):
                while not self._up.is_set():
                    await self._up.wait()
        except TimeoutError:
            raise DaemonUnreachable("There is no daemon at the other end.") from None
        if self._closed:
            raise _closed()
        if self._refused:
            raise self._refused
        self._link.send(body)
        self._pump()

    def _cancel(self, target: str) -> None:
        if self._link.up and not self._closed:
            self._link.send(codec.encode(Cancel(target=target)))

    # -- the connection: callbacks of the loop, that never wait ---------------------------------

    def _open(self) -> Link:
        link = Link(zmq.Context.shadow(self._context.underlying), self._address, self._keys)
        for fileno in link.filenos():
            asyncio.get_running_loop().add_reader(fileno, self._pump)
        return link

    def _drop(self) -> None:
        for fileno in self._link.filenos():
            asyncio.get_running_loop().remove_reader(fileno)
        self._link.close()

    def _pump(self) -> None:
        """Deliver what has arrived; when the connection is lost, tell everybody who waits, and make another."""
        self._link.pump()
        while self._link.inbox:
            self._deliver(self._link.inbox.popleft())
        if self._link.refused:
            self._refused = self._link.refused
            self._drop()
            self._fail_all(self._refused)
            self._up.set()  # for those who wait for a daemon: it does not want them
        elif self._link.lost:
            self._drop()
            self._up.clear()
            self._link = self._open()
            self._fail_all(DaemonUnreachable("The daemon went away before it had answered."))
        elif self._link.up:
            self._up.set()

    def _deliver(self, frames: list[bytes]) -> None:
        body, *binary = frames
        try:
            head = codec.decode_head(body)
        except QmdError:
            return  # no request can be told from it: whoever waits runs into its deadline
        answers = self._waiting.get(head.id)
        if answers is None:
            return  # cancelled, or too late
        if head.done:
            del self._waiting[head.id]
        answers.put_nowait(Answer(head, body, binary[0] if binary else b""))

    def _fail_all(self, error: QmdError) -> None:
        waiting, self._waiting = self._waiting, {}
        for answers in waiting.values():
            answers.put_nowait(error)


def _opened(answer: Answer | QmdError) -> Answer:
    if isinstance(answer, QmdError):
        raise answer
    return answer


def _closed() -> DaemonUnreachable:
    return DaemonUnreachable("The connection is closed.")
