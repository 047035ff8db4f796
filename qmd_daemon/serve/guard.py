"""What one HTTP connection may take: how many there are, and how long a head, a body and a reader may take.

aiohttp bounds sizes (lines, fields, their number, bodies), not the time that a client takes to send them. So a
protocol stands in front of aiohttp's: it sees every byte, and the middleware tells it when a request has begun.
What begins a request goes through the turnstile, and aiohttp hears of a connection only then. `/health` does not
wait there, and finds a place though all connections are taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from aiohttp.web_protocol import RequestHandler

from qmd_daemon.config import HttpConfig
from qmd_daemon.serve.turnstile import Turnstile

# Beyond the limit, so many connections may still say that they only ask for /health.
SPARE = 32
_PROBES = (b"GET /health ", b"GET /ready ", b"HEAD /health ")
# Of a connection, while it waits for its turn.
_HELD_BYTES = 64 * 1024
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
        self.make = make
        self.open: set[Guard] = set()
        self.serving: dict[RequestHandler, Guard] = {}
        self.turnstile = Turnstile()

    def __call__(self) -> Guard:
        return Guard(self)

    def begun(self, protocol: RequestHandler) -> None:
        """The head of a request is there."""
        if guard := self.serving.get(protocol):
            guard.disarm()
            guard.serving = True

    def ended(self, protocol: RequestHandler) -> None:
        """Its handler is done; what comes now is the next one, or the rest of a body that nobody has read."""
        if guard := self.serving.get(protocol):
            guard.serving = False

    def close(self) -> None:
        """Those that aiohttp knows nothing of, since they have not asked for anything."""
        for guard in list(self.open):
            guard.abort()


class Guard(asyncio.Protocol):
    """In front of one of aiohttp's protocols."""

    def __init__(self, guards: Guards) -> None:
        self._guards = guards
        self._inner: RequestHandler | None = None  # from its first request on
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._spare = False  # beyond the limit, for a probe
        self._held = bytearray()  # what waits at the turnstile
        self.serving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  (for the type checker)
        self._transport = transport
        beyond = len(self._guards.open) - self._guards.config.connections
        self._guards.open.add(self)
        self._spare = beyond >= 0
        if beyond >= SPARE:
            self._refuse()
        else:
            self._arm("head", self._guards.config.header_s)

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        probe = data.startswith(_PROBES)
        if self._held:  # it waits already
            self._hold(data)
        elif self.serving:  # the body of a request
            self._pass_on(data)
        elif self._spare and not probe:
            self._refuse()
        elif probe or self._guards.turnstile.enter(self._admit):
            if self._timer is None:
                self._arm("head", self._guards.config.header_s)
            self._pass_on(data)
        else:
            self.disarm()  # its time does not run there
            self._hold(data)

    def _hold(self, data: bytes) -> None:
        """Until its turn. Its end is noticed, so it is read from, up to a point."""
        self._held += data
        if len(self._held) >= _HELD_BYTES and self._transport:
            self._transport.pause_reading()

    def _admit(self) -> bool:
        """Its turn has come; False where it has gone meanwhile."""
        held, self._held = bytes(self._held), bytearray()
        if not held or self._transport is None or self._transport.is_closing():
            return False
        self._transport.resume_reading()
        self._arm("head", self._guards.config.header_s)
        self._pass_on(held)
        return True

    def _pass_on(self, data: bytes) -> None:
        if self._inner is None:
            assert self._transport is not None  # noqa: S101  (for the type checker)
            self._inner = self._guards.make()
            self._guards.serving[self._inner] = self
            self._inner.connection_made(self._transport)
        self._inner.data_received(data)

    def eof_received(self) -> None:
        if self._inner:
            self._inner.eof_received()

    def pause_writing(self) -> None:
        # What the client does not read stays in our memory: no more is made, and not for ever.
        if self._inner:
            self._inner.pause_writing()
        self._arm("reader", self._guards.config.body_s)

    def resume_writing(self) -> None:
        self.disarm()
        if self._inner:
            self._inner.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self.disarm()
        self._transport = None
        self._guards.open.discard(self)
        if self._inner:
            self._guards.serving.pop(self._inner, None)
            self._inner.connection_lost(error)

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()

    def disarm(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _refuse(self) -> None:
        """All places are taken."""
        if self._transport:
            self._transport.write(_FULL % (len(_FULL_BODY), _FULL_BODY))
            self._transport.close()

    def _arm(self, what: str, delay_s: float) -> None:
        self.disarm()
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._give_up, what)

    def _give_up(self, what: str) -> None:
        self._timer = None
        if self._spare and self._inner is None:
            self._refuse()
            return
        log.info("http.too_slow", what=what)
        self.abort()
