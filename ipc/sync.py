"""A blocking client, for the command line and for scripts. Imports no asyncio."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any, Self, TypeVar, overload

import msgspec
import zmq

from ipc import codec, transport
from ipc.curve import Keys
from ipc.errors import DaemonUnreachable
from ipc.link import Link
from ipc.protocol import MAX_MESSAGE_BYTES, REPLIES, Cancel, Ping, Pong, Reply, Request

R = TypeVar("R", bound=Reply)
# How long a daemon that has fallen silent in the middle of a stream may take to answer a ping.
PING_S = 5.0


class SyncClient:
    """One connection to a daemon. Not for use by several threads at once."""

    def __init__(self, address: str, keys: Keys | None = None) -> None:
        """`keys` for a daemon elsewhere, at `tcp://HOST:PORT`."""
        self._address = address
        self._keys = keys
        self._ids = itertools.count(1)

    def __enter__(self) -> Self:
        self._context: zmq.Context[Any] = zmq.Context()
        try:
            self._link = self._open()
        except BaseException:
            self._context.term()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()
        self._context.term()

    @overload
    def call(self, request: Request, reply: type[R], *, timeout_s: float = 30.0) -> R: ...
    @overload
    def call(self, request: Request, reply: None = None, *, timeout_s: float = 30.0) -> Any: ...
    def call(self, request: Request, reply: type[R] | None = None, *, timeout_s: float = 30.0) -> R | Any:
        """Ask, and return the (last) reply; its type is the operation's own where none is given.

        Raises the QmdError that the daemon answers, or DaemonUnreachable when it does not answer in time.
        """
        head, body = self._ask(request, timeout_s)
        return codec.decode_reply(head, body, reply or REPLIES[type(request)])

    def call_raw(self, request: Request, *, timeout_s: float = 30.0) -> dict[str, Any]:
        """The same as `call`, with the reply as plain dicts and lists."""
        head, body = self._ask(request, timeout_s)
        return codec.decode_raw(head, body)

    @overload
    def stream(self, request: Request, reply: type[R], *, timeout_s: float = 30.0) -> Iterator[R]: ...
    @overload
    def stream(self, request: Request, reply: None = None, *, timeout_s: float = 30.0) -> Iterator[Any]: ...
    def stream(self, request: Request, reply: type[R] | None = None, *, timeout_s: float = 30.0) -> Iterator[R | Any]:
        """Ask, and yield every reply, the last with `done`. Closing the iterator early cancels the request.

        `timeout_s` is the longest silence before the daemon is asked whether it still lives.
        """
        sent = self._send(request, timeout_s)
        last = False
        try:
            while not last:
                head, body = self._next_of_stream(sent, timeout_s)
                last = head.done
                yield codec.decode_reply(head, body, reply or REPLIES[type(request)])
        finally:
            if not last:
                self._cancel(sent)

    def ping(self, *, timeout_s: float) -> Pong:
        """Raises DaemonUnreachable when no answer comes in time: the only proof of life there is."""
        return self.call(Ping(), Pong, timeout_s=timeout_s)

    def _ask(self, request: Request, timeout_s: float) -> tuple[codec.Head, bytes]:
        deadline = time.monotonic() + timeout_s
        if request.deadline_s is None:
            # Once we have given up, the daemon need not go on.
            request = msgspec.structs.replace(request, deadline_s=min(timeout_s, 3600.0))
        sent = self._send(request, timeout_s)
        while True:
            answer = self._next({sent}, deadline - time.monotonic())
            if answer is None:
                raise DaemonUnreachable(f"The daemon did not answer within {timeout_s:g} s.")
            if answer[0].done:
                return answer

    def _send(self, request: Request, timeout_s: float) -> str:
        sent = request.id or f"s{next(self._ids)}"
        body = codec.encode(msgspec.structs.replace(request, id=sent))
        if len(body) > MAX_MESSAGE_BYTES:
            raise transport.too_large(len(body))
        deadline = time.monotonic() + timeout_s
        # A connection that was lost before now is not this request's.
        while not self._connected():
            if not self._link.wait(deadline - time.monotonic()):
                raise DaemonUnreachable("There is no daemon at the other end.")
        self._link.send(body)
        return sent

    def _connected(self) -> bool:
        self._link.pump()
        if self._link.refused:
            raise self._link.refused
        if self._link.lost:
            self._link.close()
            self._link = self._open()
        return self._link.up

    def _open(self) -> Link:
        return Link(self._context, self._address, self._keys)

    def _next(self, ids: set[str], timeout_s: float) -> tuple[codec.Head, bytes] | None:
        """The next reply to one of the requests `ids`, or None when there is none in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._link.pump()
            while self._link.inbox:
                body = self._link.inbox.popleft()[0]
                head = codec.decode_head(body)
                if head.id in ids:
                    return head, body
            if self._link.lost:
                raise DaemonUnreachable("The daemon went away before it had answered.")
            if not self._link.wait(deadline - time.monotonic()):
                return None

    def _next_of_stream(self, sent: str, silence_s: float) -> tuple[codec.Head, bytes]:
        """The next reply, however long it takes, as long as pings are answered."""
        while (answer := self._next({sent}, silence_s)) is None:
            ping = self._send(Ping(), PING_S)
            answer = self._next({sent, ping}, PING_S)
            if answer is None:
                raise DaemonUnreachable(f"The daemon has not answered a ping for {PING_S:g} s.")
            if answer[0].id == sent:
                break
        return answer

    def _cancel(self, sent: str) -> None:
        try:
            self._send(Cancel(target=sent), 0)
        except DaemonUnreachable:
            pass  # it has nothing left to cancel
