"""What one HTTP connection may take: how many there are, and how long a head, a body and a reader may take.

aiohttp bounds sizes (lines, fields, their number, bodies), not the time that a client takes to send them. So a
protocol stands in front of aiohttp's: it sees every byte, and the middleware tells it when a request has begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from aiohttp.web_protocol import RequestHandler

from qmd_daemon.config import HttpConfig

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Type: application/json\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b"
)
_FULL_BODY = (
    b'{"error":{"code":"overloaded","message":"Too many connections are open.","hint":"Try again in a moment."}}'
)
log = structlog.get_logger()


class Guards:
    """The open connections. Called by the server for each new one, it returns the protocol."""

    def __init__(self, config: HttpConfig, make: Callable[[], RequestHandler]) -> None:
        self.config = config
        self.open: dict[RequestHandler, Guard] = {}
        self._make = make

    def __call__(self) -> Guard:
        return Guard(self, self._make())

    def begun(self, protocol: RequestHandler) -> None:
        """The head of a request is there."""
        if guard := self.open.get(protocol):
            guard.disarm()
            guard.serving = True

    def ended(self, protocol: RequestHandler) -> None:
        """Its handler is done; what comes now is the next one, or the rest of a body that nobody has read."""
        if guard := self.open.get(protocol):
            guard.serving = False


class Guard(asyncio.Protocol):
    """In front of one of aiohttp's protocols."""

    def __init__(self, guards: Guards, inner: RequestHandler) -> None:
        self._guards = guards
        self._inner = inner
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self.serving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  (for the type checker)
        self._transport = transport
        if len(self._guards.open) >= self._guards.config.connections:
            transport.write(_FULL % (len(_FULL_BODY), _FULL_BODY))
            transport.close()
            return
        self._guards.open[self._inner] = self
        self._inner.connection_made(transport)
        self._arm("head", self._guards.config.header_s)

    def data_received(self, data: bytes) -> None:
        if self._inner in self._guards.open:
            if not self.serving and self._timer is None:
                self._arm("head", self._guards.config.header_s)
            self._inner.data_received(data)

    def eof_received(self) -> None:
        if self._inner in self._guards.open:
            self._inner.eof_received()

    def pause_writing(self) -> None:
        # What the client does not read stays in our memory: no more is made, and not for ever.
        self._inner.pause_writing()
        self._arm("reader", self._guards.config.body_s)

    def resume_writing(self) -> None:
        self.disarm()
        self._inner.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self.disarm()
        if self._guards.open.pop(self._inner, None):
            self._inner.connection_lost(error)

    def disarm(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _arm(self, what: str, delay_s: float) -> None:
        self.disarm()
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._give_up, what)

    def _give_up(self, what: str) -> None:
        self._timer = None
        log.info("http.too_slow", what=what)
        if self._transport:
            self._transport.abort()
