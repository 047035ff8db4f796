"""HTTP on the loopback address: routes to requests, answers to JSON."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web

from ipc import codec
from ipc.errors import QmdError
from ipc.protocol import (
    PROTOCOL_VERSION,
    AnyRequest,
    Embed,
    EmbedReply,
    EngineStatus,
    ErrorReply,
    Expand,
    Get,
    Ps,
    Query,
    Reply,
    Rerank,
    Search,
    Status,
    VSearch,
)
from qmd_daemon.config import HttpConfig
from qmd_daemon.serve import errors
from qmd_daemon.serve.dispatch import Dispatcher
from qmd_daemon.serve.lifecycle import Lifecycle

# After the requests have been drained, only connections are left to close.
_SHUTDOWN_S = 1.0


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
    ) -> None:
        self._config = config
        self._dispatcher = dispatcher
        self._lifecycle = lifecycle
        self._engine_status = engine_status
        self.address = ""

    async def __aenter__(self) -> Self:
        """Raises PortTaken, or QmdError("invalid") when the address is not one to listen on."""
        host, port = self._config.host, self._config.port
        logging.getLogger("aiohttp.server").addFilter(errors.quieten)
        if not errors.is_loopback(host):
            raise QmdError("invalid", f"HTTP is not served on {host!r}.", "Set [http] host to 127.0.0.1.")
        # The client's end cancels its request: nobody waits for the answer any more.
        self._runner = web.AppRunner(
            self.application(), handler_cancellation=True, access_log=None, shutdown_timeout=_SHUTDOWN_S
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise _cannot_listen(host, port, error) from None
        literal = f"[{host}]" if ":" in host else host
        self.address = f"http://{literal}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def application(self) -> web.Application:
        app = web.Application(
            middlewares=[errors.answer_errors, errors.refuse_strangers], client_max_size=self._config.max_body_bytes
        )
        app.add_routes(
            [
                web.get("/health", self._health),
                web.get("/status", self._status),
                web.get("/documents/{ref:.+}", self._document),
                web.get("/models", self._models),
                web.post("/embed", self._embed),
                *(web.post(f"/{kind.__struct_config__.tag}", self._plain(kind)) for kind in (Rerank, Expand)),
                *(
                    web.post(f"/{kind.__struct_config__.tag}", self._search_of(kind))
                    for kind in (Search, VSearch, Query)
                ),
            ]
        )
        return app

    async def _health(self, _: web.Request) -> web.Response:
        """Reads memory only, so that it is fast whatever else goes on."""
        pong, engine = self._lifecycle.pong(), self._engine_status()
        return _json(
            {
                "status": "ok",
                "version": pong.version,
                "protocol": PROTOCOL_VERSION,
                "pid": pong.pid,
                "ready": pong.ready,
                "state": pong.state,
                "uptime_s": round(self._lifecycle.uptime_s, 3),
                "engine": engine.state,
                "model": engine.model,
                "device": engine.device,
                "compute_type": engine.compute_type,
                "reason": engine.reason,
            }
        )

    async def _status(self, request: web.Request) -> web.Response:
        return _json(_public(await self._ask(codec.decode_fields(dict(request.query), Status))))

    async def _document(self, request: web.Request) -> web.Response:
        fields = {**request.query, "ref": request.match_info["ref"]}
        return _json(_public(await self._ask(codec.decode_fields(fields, Get))))

    async def _embed(self, request: web.Request) -> web.Response:
        asked = codec.decode_body(await request.read(), Embed)
        if asked.encoding != "json":
            raise QmdError("invalid", "HTTP answers in JSON.", "Ask for `f32` over ZeroMQ.")
        reply = await self._ask(asked)
        assert isinstance(reply, EmbedReply)  # noqa: S101  (for the type checker)
        return _json(reply.embeddings)

    async def _models(self, request: web.Request) -> web.Response:
        return _json(_public(await self._ask(codec.decode_fields(dict(request.query), Ps))))

    def _plain(self, kind: type[Rerank | Expand]) -> Any:
        async def answer(request: web.Request) -> web.Response:
            return _json(_public(await self._ask(codec.decode_body(await request.read(), kind))))

        return answer

    def _search_of(self, kind: type[Search | VSearch | Query]) -> Any:
        async def search(request: web.Request) -> web.StreamResponse:
            asked = codec.decode_body(await request.read(), kind)
            if asked.stream:
                return await self._stream(request, asked)
            return _json(_public(await self._ask(asked)))

        return search

    async def _ask(self, request: AnyRequest) -> Reply:
        reply = (await self._dispatcher.run(request, _no_stream)).reply
        if isinstance(reply, ErrorReply):
            raise codec.carried_error(reply.error)
        return reply

    async def _stream(self, request: web.Request, asked: AnyRequest) -> web.StreamResponse:
        """Newline-delimited JSON: one line for each stage, the last with `done`; a late error is a line, too."""
        lines = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})

        async def emit(reply: Reply) -> None:
            if not lines.prepared:
                await lines.prepare(request)
            await lines.write(codec.encode(_public(reply, done=True)) + b"\n")

        reply = (await self._dispatcher.run(asked, emit)).reply
        if isinstance(reply, ErrorReply) and not lines.prepared:
            raise codec.carried_error(reply.error)
        await emit(reply)
        await lines.write_eof()
        return lines


async def _no_stream(_: Reply) -> None:
    """For requests that did not ask for one."""


def _json(content: dict[str, Any] | list[Any]) -> web.Response:
    return web.Response(body=codec.encode(content), content_type="application/json")


def _public(reply: Reply, *, done: bool = False) -> dict[str, Any]:
    """A reply without what HTTP says in its own way; `done` stays where there are several."""
    hidden = {"id", "ok"} if done else {"id", "ok", "done"}
    return {name: value for name, value in msgspec.structs.asdict(reply).items() if name not in hidden}


def _cannot_listen(host: str, port: int, error: OSError) -> QmdError:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(host, port)
    return QmdError("invalid", f"Cannot listen on {host}:{port}: {error.strerror}.", "See [http] in config.toml.")
