"""One HTTP route, and what the description of the whole says of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeAlias

from aiohttp import web
from msgspec import Struct

Answering: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Route(NamedTuple):
    """`path` as OpenAPI writes it. `reply` is what a 200 has in its body, as a type; `body` and `query` are what the
    request has there. `streams`: it may answer in parts, too.
    """

    method: str
    path: str
    summary: str
    answer: Answering
    reply: Any
    body: tuple[type[Struct], ...] = ()
    query: type[Struct] | None = None
    streams: bool = False
    statuses: tuple[int, ...] = ()  # beside those that all of its kind have
    media: str = "application/json"

    @property
    def pattern(self) -> str:
        """The path as aiohttp matches it: `ref` may have slashes in it."""
        return self.path.replace("{ref}", "{ref:.+}")
