"""What each tool does, for whoever can ask the daemon: one that is elsewhere, or the daemon itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import unquote

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import (
    AnyRequest,
    CollectionInfo,
    CollectionList,
    CollectionsReply,
    DocumentReply,
    Get,
    Reply,
    SearchReply,
    Status,
    StatusReply,
)
from qmd_daemon.mcp import answers
from qmd_daemon.mcp.arguments import GetArguments, MultiGetArguments, QueryArguments, StatusArguments, read

R = TypeVar("R", bound=Reply)
# A resource is attached by a person, who means all of it.
_RESOURCE_CHARS = 400_000


class Ask(Protocol):
    """Have the daemon do something. Raises QmdError."""

    async def __call__(self, request: AnyRequest, reply: type[R], /) -> R: ...


class Answer(NamedTuple):
    """What an agent gets: a text to read, and where it may help a program, the same as an object."""

    text: str
    content: dict[str, Any] | None = None


class Tools:
    """The tools, over one index. Raise QmdError for what an agent should read."""

    def __init__(self, paths: Paths, index: str, ask: Ask) -> None:
        self._paths = paths
        self._index = index
        self._ask = ask

    async def call(self, name: str, arguments: Mapping[str, Any] | None) -> Answer:
        """Raises QmdError("unknown_op") when there is no such tool."""
        calls: dict[str, Callable[[Mapping[str, Any] | None], Awaitable[Answer]]] = {
            "query": self._query,
            "get": self._get,
            "multi_get": self._multi_get,
            "status": self._status,
        }
        if name not in calls:
            raise QmdError("unknown_op", f"There is no tool {name[:64]!r}.", f"There are {', '.join(calls)}.")
        return await calls[name](arguments)

    async def resource(self, uri: str) -> str:
        """A document whole, as text, with what is said about its place above it."""
        reply = await self._ask(Get(ref=uri, index=self._index, client="agent"), DocumentReply)
        shown = answers.page(reply.text, reply.first_line, _RESOURCE_CHARS, numbers=False)
        context = f"<!-- Context: {reply.context.replace('--', '—')} -->\n\n" if reply.context else ""
        more = f"\n\n(more: lines {shown.next_line}-{reply.total_lines})" if shown.next_line else ""
        return f"{context}{shown.text}{more}"

    async def collections(self) -> list[CollectionInfo]:
        """Those that whoever asks may see."""
        return (await self._ask(CollectionList(index=self._index, client="agent"), CollectionsReply)).collections

    async def _query(self, arguments: Mapping[str, Any] | None) -> Answer:
        asked = read(QueryArguments, arguments).request(self._index)
        return Answer(*answers.hits(await self._ask(asked, SearchReply)))

    async def _get(self, arguments: Mapping[str, Any] | None) -> Answer:
        asked = read(GetArguments, arguments)
        request = Get(
            ref=asked.ref, from_line=asked.from_line, max_lines=asked.max_lines, index=self._index, client="agent"
        )
        return Answer(answers.document(await self._ask(request, DocumentReply), numbers=asked.line_numbers))

    async def _multi_get(self, arguments: Mapping[str, Any] | None) -> Answer:
        """Read from the index itself, as `qmd multi-get` does; of those collections that the daemon lets us see."""
        asked = read(MultiGetArguments, arguments)
        visible = {one.name for one in await self.collections()}
        text = await asyncio.to_thread(self._documents, asked, visible)
        if not text:
            raise QmdError("not_found", f"No documents match {asked.pattern!r}.", "`query` finds by content.")
        return Answer(text)

    def _documents(self, asked: MultiGetArguments, visible: set[str]) -> str:
        from qmd_daemon import offline

        rows, wrong = offline.multi_get(
            self._paths, asked.pattern, max_lines=asked.max_lines, max_bytes=asked.max_bytes, index=self._index
        )
        if hidden := {one["name"] for one in offline.collections(self._paths, index=self._index)} - visible:
            rows = (row for row in rows if _collection(row) not in hidden)
            wrong = [QmdError(one.code, one.message) for one in wrong]  # hints name what is near
        text = answers.documents(rows, wrong, numbers=asked.line_numbers)
        return text.encode("utf-8", "replace").decode()  # a name need not be UTF-8

    async def _status(self, arguments: Mapping[str, Any] | None) -> Answer:
        read(StatusArguments, arguments)
        reply = await self._ask(Status(index=self._index, client="agent"), StatusReply)
        return Answer(*answers.status(reply))


def _collection(row: Mapping[str, Any]) -> str:
    address: str = row["file"]
    return unquote(address.removeprefix("qmd://").partition("/")[0])
