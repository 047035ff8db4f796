"""Replies as HTTP has them: JSON, lines of JSON, or server-sent events."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from ipc import codec
from ipc.protocol import Reply

LINES = "application/x-ndjson"
EVENTS = "text/event-stream"
# What HTTP says in its own way.
HIDDEN = frozenset({"id", "ok", "done"})


def json(content: Any, status: int = 200) -> web.Response:
    return web.Response(body=codec.encode(content), status=status, content_type="application/json")


def public(reply: Reply, *, done: bool = False) -> dict[str, Any]:
    """A reply without what HTTP says in its own way; `done` stays where there are several."""
    hidden = HIDDEN - {"done"} if done else HIDDEN
    return {name: value for name, value in msgspec.structs.asdict(reply).items() if name not in hidden}


class Stream:
    """A response in parts: server-sent events for who accepts them, else newline-delimited JSON."""

    def __init__(self, request: web.Request, *, events: bool | None = None) -> None:
        self._request = request
        self._events = EVENTS in request.headers.get("Accept", "") if events is None else events
        headers = {
            "Content-Type": EVENTS if self._events else LINES,
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",  # a proxy is to pass each part on
        }
        self.response = web.StreamResponse(headers=headers)

    @property
    def begun(self) -> bool:
        return self.response.prepared

    async def send(self, content: Any, event: str = "") -> None:
        """Send one part; `event` is the name that an event has."""
        if not self.response.prepared:
            await self.response.prepare(self._request)
        line = codec.encode(content)
        if self._events:
            name = f"event: {event}\n".encode() if event else b""
            line = name + b"data: " + line + b"\n"
        await self.response.write(line + b"\n")

    async def beat(self) -> None:
        """Say nothing, so that a connection that has died is noticed on both sides."""
        if not self.response.prepared:
            await self.response.prepare(self._request)
        await self.response.write(b":\n\n")

    async def end(self) -> web.StreamResponse:
        await self.response.write_eof()
        return self.response
