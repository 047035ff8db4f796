"""What an HTTP request comes with: who asks, under which name, and its body in good time."""

from __future__ import annotations

import asyncio
import secrets

from aiohttp import web

from qmd_daemon.serve.caller import Caller

CALLER = web.RequestKey("caller", Caller)
_ID = web.RequestKey("id", str)


def request_id(request: web.Request) -> str:
    """The client's own name for the request (`X-Request-Id`), or one that it is told."""
    if _ID not in request:
        given = request.headers.get("X-Request-Id", "")
        plain = 0 < len(given) <= 64 and given.isascii() and given.isprintable()
        request[_ID] = given if plain else secrets.token_hex(4)
    return request[_ID]


async def read(request: web.Request, body_s: float) -> bytes:
    """The body. Raises HTTPRequestTimeout when it does not arrive in time."""
    try:
        async with asyncio.timeout(body_s):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
