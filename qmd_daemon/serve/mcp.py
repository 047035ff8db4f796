"""`POST /mcp`: the tools for AI agents over HTTP. A thin bridge: the protocol's library speaks ASGI, we have aiohttp.

Every request stands alone, also those of older clients: no session is kept, so none can leak.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from importlib import import_module
from typing import Any, TypeVar

from aiohttp import web

from ipc import codec
from ipc.errors import QmdError
from ipc.paths import DEFAULT_INDEX, Paths, check_index_name
from ipc.protocol import AnyRequest, ErrorReply, Reply
from qmd_daemon.mcp.answers import instructions
from qmd_daemon.mcp.tools import Tools
from qmd_daemon.serve.dispatch import Dispatcher
from qmd_daemon.serve.incoming import CALLER, read

R = TypeVar("R", bound=Reply)
# The requests whose answers have the instructions.
_HELLO = (b'"initialize"', b'"server/discover"')
Message = MutableMapping[str, Any]


class Mcp:
    """Answers the requests of agents, with the operations behind the dispatcher and within what the caller may do."""

    def __init__(self, paths: Paths, dispatcher: Dispatcher, body_s: float) -> None:
        self._paths = paths
        self._dispatcher = dispatcher
        self._body_s = body_s

    def route(self) -> web.RouteDef:
        return web.post("/mcp", self.answer)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """`?index=NAME` asks another index than the default one."""
        caller = request[CALLER]
        default = caller.grant.index if caller.grant else DEFAULT_INDEX
        index = request.query.get("index", default)
        if index != default:
            check_index_name(index)

        async def ask(asked: AnyRequest, reply: type[R]) -> R:
            answered = (await self._dispatcher.run(asked, _no_stream, caller)).reply
            if isinstance(answered, ErrorReply):
                raise codec.carried_error(answered.error)
            assert isinstance(answered, reply)  # noqa: S101  (for the type checker)
            return answered

        body = await read(request, self._body_s)
        tools = Tools(self._paths, index, ask)
        said = await _instructions(tools) if any(hello in body for hello in _HELLO) else ""
        # Imported by the first one who asks, in a thread: the others do not wait.
        managers = await asyncio.to_thread(import_module, "mcp.server.streamable_http_manager")
        servers = await asyncio.to_thread(import_module, "qmd_daemon.mcp.server")
        server = servers.build(tools, said)
        manager = managers.StreamableHTTPSessionManager(server, json_response=True, stateless=True)
        async with manager.run():
            return await _bridge(manager.handle_request, request, body)


async def _instructions(tools: Tools) -> str:
    try:
        return instructions(await tools.collections())
    except QmdError:
        return instructions([])


async def _no_stream(_: Reply) -> None:
    """Tools answer once."""


async def _bridge(app: Callable[..., Awaitable[None]], request: web.Request, body: bytes) -> web.Response:
    """Have an ASGI application answer a request whose body is there, in one piece."""
    answered: list[Message] = []
    requests: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if requests:
            return requests.pop()
        await asyncio.Event().wait()  # that the client has gone cancels all of this
        raise AssertionError

    async def send(message: Message) -> None:
        answered.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "method": request.method,
        "path": request.path,
        "raw_path": request.raw_path.encode(),
        "root_path": "",
        "query_string": request.query_string.encode(),
        "headers": [(name.lower(), value) for name, value in request.raw_headers],
        "client": None,
        "server": None,
    }
    await app(scope, receive, send)
    start, *pieces = answered
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
    return web.Response(
        body=b"".join(piece.get("body", b"") for piece in pieces),
        status=start["status"],
        headers=[(name, value) for name, value in headers if name.lower() != "content-length"],
    )
