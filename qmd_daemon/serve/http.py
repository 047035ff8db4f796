"""HTTP: where it listens, and what stands before every route."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec.structs import replace
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from ipc.errors import QmdError
from ipc.protocol import EngineStatus, GpuSample, IndexStatus, Job
from qmd_daemon.config import HttpConfig
from qmd_daemon.engine.model import ModelInfo
from qmd_daemon.grants import Grants
from qmd_daemon.serve import answers, errors, openapi
from qmd_daemon.serve.api import Api
from qmd_daemon.serve.descriptors import room_for
from qmd_daemon.serve.dispatch import Dispatcher
from qmd_daemon.serve.door import Door
from qmd_daemon.serve.exposition import Standing, render
from qmd_daemon.serve.feed import Feed
from qmd_daemon.serve.guard import Guards
from qmd_daemon.serve.incoming import CALLER, request_id
from qmd_daemon.serve.lifecycle import Lifecycle
from qmd_daemon.serve.probes import Health, Probes, Ready
from qmd_daemon.serve.routes import Route

# After the requests have been drained, only connections are left to close.
_SHUTDOWN_S = 1.0
_IDLE_S = 75.0
# For the rest of a body that was refused.
_LINGER_S = 1.0
# Connections that wait to be accepted, and how many are accepted in one round of the loop.
_BACKLOG = 4096
_ACCEPTED_AT_A_TIME = 32
# What is not known without asking: the open indexes, the last reading of the card, the jobs.
Standings = Callable[[], Awaitable[tuple[list[IndexStatus], GpuSample | None, list[Job]]]]


class PortTaken(QmdError):
    """Another program listens there."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            "conflict",
            f"Another program listens on {host}:{port} already.",
            f"See which with `ss -ltnp 'sport = :{port}'`, or set QMD_HTTP_PORT.",
        )


class Http:
    """Enter it to listen; leave it to stop. `address` is where, once it listens."""

    def __init__(
        self,
        config: HttpConfig,
        dispatcher: Dispatcher,
        lifecycle: Lifecycle,
        engine_status: Callable[[], EngineStatus],
        *,
        grants: Grants,
        feed: Feed | None = None,
        standing: Standings | None = None,
        handed: socket.socket | None = None,
        model: Callable[[], ModelInfo | None] = lambda: None,
        others: Sequence[web.RouteDef] = (),
    ) -> None:
        """`handed`: a socket that listens already, which somebody else has opened for us."""
        self._handed = handed
        if handed is not None:
            host, port = handed.getsockname()[:2]
            config = replace(config, host=host, port=port)
        self._config = config = replace(config, connections=room_for(config.connections))
        self._others = others
        self._feed = feed or Feed()
        self._lifecycle = lifecycle
        self._dispatcher = dispatcher
        self._engine_status = engine_status
        self._standing = standing
        self._door = Door(config, grants)
        self._api = Api(dispatcher, self._feed, model, config.body_s)
        self._probes = Probes(lifecycle, engine_status)
        self.address = ""

    async def __aenter__(self) -> Self:
        """Raises PortTaken, or QmdError("invalid") when the address is not one to listen on."""
        host, port = self._config.host, self._config.port
        logging.getLogger("aiohttp.server").addFilter(errors.quieten)
        self._door.check_address()
        # The client's end cancels its request: nobody waits for the answer any more.
        self._runner = web.AppRunner(
            self.application(),
            handler_cancellation=True,
            access_log=None,
            shutdown_timeout=_SHUTDOWN_S,
            keepalive_timeout=_IDLE_S,
            lingering_time=_LINGER_S,
        )
        await self._runner.setup()
        assert self._runner.server is not None  # noqa: S101  (for the type checker)
        self._guards = Guards(self._config, self._runner.server)
        try:
            self._server = await self._listen(host, port)
        except OSError as error:
            await self._runner.cleanup()
            raise _cannot_listen(host, port, error) from None
        literal = f"[{host}]" if ":" in host else host
        self.address = f"http://{literal}:{_port(self._server.sockets)}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._feed.close()
        await self._runner.cleanup()
        self._guards.close()

    async def _listen(self, host: str, port: int) -> asyncio.Server:
        loop, at_a_time = asyncio.get_running_loop(), _ACCEPTED_AT_A_TIME
        if self._handed is not None:
            server = await loop.create_server(self._guards, sock=self._handed, backlog=at_a_time)
        else:
            server = await loop.create_server(self._guards, host, port, backlog=at_a_time, reuse_address=True)
        for one in server.sockets:
            with one.dup() as listening:  # asyncio has one number for both
                listening.listen(_BACKLOG)
        return server

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._guards.open)

    def application(self) -> web.Application:
        app = web.Application(
            middlewares=[self._frame, errors.answer_errors, self._admit],
            client_max_size=self._config.max_body_bytes,
        )
        app.add_routes([web.route(route.method, route.pattern, route.answer) for route in self.routes()])
        app.add_routes(self._others)  # what speaks a protocol of its own is not described
        return app

    def routes(self) -> list[Route]:
        probes = self._probes
        return [
            Route("GET", "/health", "Alive, on which device, and why not on the wanted one.", probes.health, Health),
            Route("GET", "/ready", "Ready to answer: not while it starts, loads or drains.", probes.ready, Ready),
            *self._api.routes(),
            Route("GET", "/metrics", "For Prometheus.", self._metrics, str, media="text/plain"),
            Route("GET", "/openapi.json", "This description.", self._openapi, dict[str, Any]),
        ]

    async def _metrics(self, request: web.Request) -> web.Response:
        """How things stand is looked up at each scrape; what happens is counted as it does."""
        indexes, gpu, jobs = await self._standing() if self._standing else ([], None, [])
        pong = self._lifecycle.pong()
        now = Standing(
            version=pong.version,
            uptime_s=self._lifecycle.uptime_s,
            ready=pong.ready,
            in_flight=self._dispatcher.in_flight,
            connections=self.connections,
            engine=self._engine_status(),
            gpu=gpu,
            indexes=indexes,
            jobs=jobs,
        )
        text = render(now, self._dispatcher.metrics.registry, request[CALLER].grant)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def _openapi(self, _: web.Request) -> web.Response:
        return answers.json(openapi.describe(self.routes(), self._lifecycle.version))

    @web.middleware
    async def _frame(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Around everything: who asks, under which name, and no sniffing of what the answer is."""
        self._guards.begun(request.protocol)
        try:
            response = await handler(request)
        finally:
            self._guards.ended(request.protocol)
        if not response.prepared:
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["X-Request-Id"] = request_id(request)
        return response

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            request[CALLER] = self._door.admit(request)
        except QmdError as error:
            self._dispatcher.metrics.refused(error.code)
            raise
        return await handler(request)


def _port(sockets: Any) -> int:
    first: socket.socket = sockets[0]
    port: int = first.getsockname()[1]
    return port


def _cannot_listen(host: str, port: int, error: OSError) -> QmdError:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(host, port)
    return QmdError("invalid", f"Cannot listen on {host}:{port}: {error.strerror}.", "See [http] in config.toml.")
