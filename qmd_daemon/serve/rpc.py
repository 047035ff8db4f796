"""The ROUTER socket: frames to requests, replies to frames, and whose request is whose."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec
import structlog
import zmq
import zmq.asyncio

from ipc import codec, transport
from ipc.errors import QmdError
from ipc.protocol import MAX_MESSAGE_BYTES, AnyRequest, Cancel, Done, Reply
from ipc.transport import Peer
from qmd_daemon.serve.caller import Caller
from qmd_daemon.serve.dispatch import Answer, Dispatcher, internal

# A request that does not end in this time, though it was cancelled, holds up its sender's next one no longer.
_LEAVING_S = 1.0

log = structlog.get_logger()


class Gate(Protocol):
    """Where an Rpc listens, and who a request is of."""

    def open(self, socket: Any) -> None:
        """Have the socket listen. Raises QmdError when that cannot be done."""

    def close(self) -> None:
        """Before the socket is closed."""

    def admit(self, peer: Peer, frame: zmq.Frame) -> Caller:
        """Who has sent this. Raises QmdError: unauthorized or forbidden."""


class LocalGate:
    """A Unix socket: who can reach it is the owner of all that is behind it."""

    def __init__(self, address: str) -> None:
        self._address = address

    def open(self, socket: Any) -> None:
        transport.unlink_stale(self._address)
        self._listener = transport.Listener(socket, self._address)

    def close(self) -> None:
        self._listener.remove()

    def admit(self, peer: Peer, _: zmq.Frame) -> Caller:
        return Caller(peer.identity.hex())


class Rpc:
    """Enter it to listen; leave it to stop. Requests run side by side, and are answered as they finish."""

    def __init__(self, context: zmq.asyncio.Context, gate: Gate, dispatcher: Dispatcher) -> None:
        self._context = context
        self._gate = gate
        self._dispatcher = dispatcher
        # By sender and id, so that nobody can cancel the requests of another; those without an id get a number.
        self._running: dict[tuple[bytes, str], asyncio.Task[None]] = {}
        self._numbers = itertools.count()

    async def __aenter__(self) -> Self:
        self._socket: Any = self._context.socket(zmq.ROUTER)
        # Tell us when a peer has gone, rather than drop what it was to get.
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        try:
            self._gate.open(self._socket)
        except BaseException:
            self._socket.close(0)
            raise
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self._receiver = self._tasks.create_task(self._receive())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gate.close()
        self._receiver.cancel()
        for task in list(self._running.values()):
            task.cancel()
        try:
            # Without our own exception: it goes on by itself, and not inside an ExceptionGroup.
            await self._tasks.__aexit__(None, None, None)
        finally:
            self._socket.close()

    async def _receive(self) -> None:
        while True:
            frames = await self._socket.recv_multipart(copy=False)
            peer, parts = transport.read_frames([frame.bytes for frame in frames])
            try:
                caller = self._gate.admit(peer, frames[-1])
                self._accept(peer, caller, codec.decode_request(transport.check_frames(parts)))
            except QmdError as error:
                readable = len(parts) == 1 and len(parts[0]) <= MAX_MESSAGE_BYTES
                self._send(peer, codec.request_id(parts[0]) if readable else "", codec.error_reply(error))
            except Exception:  # a bug that one message meets must not end the receiving of all
                token = secrets.token_hex(4)
                log.exception("rpc.failed", request=token)
                self._send(peer, "", codec.error_reply(internal(token)))
            # While messages lie ready, receiving alone would never give way to anything else.
            await asyncio.sleep(0)

    def _accept(self, peer: Peer, caller: Caller, request: AnyRequest) -> None:
        key = (peer.identity, request.id or f"#{next(self._numbers)}")
        if isinstance(request, Cancel):
            self._cancel(peer, request)
            self._send(peer, request.id, Done())
        elif reply := self._dispatcher.answer_now(request, caller):
            self._send(peer, request.id, reply)
        elif key in self._running:
            raise QmdError("conflict", f"Your request {request.id!r} is still under way.", "Give each its own id.")
        else:
            # Whoever searches at every key cancels a query with the next one: only then does that one begin.
            mine = [task for (sender, _), task in self._running.items() if sender == peer.identity]
            leaving = [task for task in mine if task.cancelling()]
            task = self._running[key] = self._tasks.create_task(self._serve(peer, caller, request, leaving))
            task.add_done_callback(lambda _: self._running.pop(key))

    def _cancel(self, peer: Peer, request: Cancel) -> None:
        task = self._running.get((peer.identity, request.target))
        if task is None:
            raise QmdError("not_found", f"You have no request {request.target!r} under way.")
        task.cancel()

    async def _serve(
        self, peer: Peer, caller: Caller, request: AnyRequest, leaving: Sequence[asyncio.Task[None]]
    ) -> None:
        """Answer, once the sender's requests that are being cancelled have ended."""

        async def emit(reply: Reply) -> None:
            if not self._send(peer, request.id, reply):
                raise QmdError("cancelled", "The client has gone, or does not read.")

        try:
            if leaving:
                await asyncio.wait(leaving, timeout=_LEAVING_S)
            answer = await self._dispatcher.run(request, emit, caller)
        except asyncio.CancelledError:
            answer = Answer(codec.error_reply(QmdError("cancelled", "The request was cancelled.")))
        self._send(peer, request.id, *answer)

    def _send(self, peer: Peer, request_id: str, reply: Reply, binary: bytes = b"") -> bool:
        """Send one reply. Returns whether the peer is there and takes it."""
        body = codec.encode(msgspec.structs.replace(reply, id=request_id))
        parts = [body, binary] if binary else [body]
        # Not waiting: one peer that does not read must not keep the others from their answers.
        sent = self._socket.send_multipart(peer.frames(*parts), zmq.NOBLOCK)
        if failed := sent.exception():
            log.info("peer.gone", reason=str(failed))
            return False
        return True
