"""A small library behind a fake client, a way to it, and the app's screen as a test reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from ipc.errors import QmdError
from ipc.protocol import (
    PROTOCOL_VERSION,
    CollectionInfo,
    DocumentReply,
    EngineStatus,
    Get,
    Hit,
    IndexStatus,
    Ping,
    Pong,
    Query,
    Search,
    SearchReply,
    Stage,
    Status,
    StatusReply,
    VSearch,
)
from ipc.testing import FakeClient
from qmd_tui.settings import Settings
from qmd_tui.widgets.results import Results

TITLES = (
    "Vector search",
    "显存监控 GPU",
    "Baking bread",
    "Notes on [red]markup[/red]",
    "Tea",
    "Rain",
    "Sailing",
    "Moss",
)
LINES = 1000
PONG = Pong(protocol=PROTOCOL_VERSION, version="0.1", pid=7, ready=True, state="ready")


def hit(number: int, **changes: Any) -> Hit:
    """The hit of document `number`: its snippet is lines 41 and 42, and the match is on line 42."""
    snippet = f"something before\nthe vector engine of document {number}"
    start = snippet.index("vector")
    fields: dict[str, Any] = {
        "docid": f"#{number:06x}",
        "file": f"qmd://notes/n{number}.md",
        "collection": "notes",
        "path": f"n{number}.md",
        "title": TITLES[number % len(TITLES)],
        "line": 41,
        "score": 1 - number / 100,
        "snippet": snippet,
        "matches": [(start, start + len("vector"))],
    }
    return Hit(**{**fields, **changes})


def document(request: Get) -> DocumentReply:
    number = int(request.ref.removeprefix("qmd://notes/n").removesuffix(".md"))
    first, count = request.from_line or 1, request.max_lines or LINES
    lines = [f"line {n} of document {number} tells of the vector engine" for n in range(1, LINES + 1)]
    return DocumentReply(
        docid=f"#{number:06x}",
        file=request.ref,
        collection="notes",
        path=f"n{number}.md",
        title=TITLES[number % len(TITLES)],
        text="\n".join(lines[first - 1 : first - 1 + count]),
        first_line=first,
        total_lines=LINES,
        location=f"/library/n{number}.md",
    )


def index(**changes: Any) -> IndexStatus:
    notes = CollectionInfo(name="notes", path="/library", pattern="**/*.md", documents=8)
    fields: dict[str, Any] = {"documents": 8, "chunks": 20, "vectors": 20, "size_bytes": 3_400_000}
    return IndexStatus(name="index", path="/data", **{**fields, "collections": [notes], **changes})


def status(**changes: Any) -> StatusReply:
    fields: dict[str, Any] = {"index": index(), "engine": EngineStatus(state="ready", engine="fake")}
    return StatusReply(version="0.1", protocol=PROTOCOL_VERSION, pid=7, uptime_s=1.0, **{**fields, **changes})


def lexical(*numbers: int, **changes: Any) -> SearchReply:
    stages = [Stage(name="lexical", ran=True, ms=2.1, count=len(numbers))]
    return SearchReply(results=[hit(n) for n in numbers], stage="lexical", stages=stages, **changes)


def fused(*numbers: int) -> SearchReply:
    stages = [
        Stage(name="lexical", ran=True, ms=2.1, count=8),
        Stage(name="vector", ran=True, ms=12.4, count=8),
        Stage(name="fusion", ran=True, ms=0.1, count=8),
    ]
    return SearchReply(results=[hit(n) for n in numbers], stage="fused", stages=stages)


def vectors(*numbers: int) -> SearchReply:
    stages = [Stage(name="vector", ran=True, ms=12.4, count=len(numbers))]
    return SearchReply(results=[hit(n) for n in numbers], stage="vector", stages=stages)


def staged(*replies: SearchReply) -> list[SearchReply]:
    """The replies of one stream: all but the last have more to come."""
    return [*(msgspec.structs.replace(reply, done=False) for reply in replies[:-1]), replies[-1]]


def librarian() -> FakeClient:
    """Knows eight documents. Words find 0 to 7 in this order; with vectors, 3 comes first."""
    fake = FakeClient()
    fake.on(Ping, PONG)
    fake.on(Status, lambda _: status())
    fake.on(Search, lambda _: lexical(*range(8)))
    fake.on(VSearch, lambda _: vectors(3, 1))
    fake.on(Query, lambda _: staged(lexical(*range(8)), fused(3, 0, 1, 2, 4, 5, 6, 7)))
    fake.on(Get, lambda request: document(request) if isinstance(request, Get) else QmdError("internal", "?"))
    return fake


class Line:
    """The way to the daemon. It can be cut, and it can come back."""

    def __init__(self, client: FakeClient) -> None:
        self.client = client
        self.attempts = 0
        self.error: QmdError | None = None

    def __call__(self, on_wait: Callable[[str], None]) -> AbstractAsyncContextManager[Any]:
        return self._connect(on_wait)

    @asynccontextmanager
    async def _connect(self, on_wait: Callable[[str], None]) -> AsyncIterator[FakeClient]:
        self.attempts += 1
        on_wait("the daemon to start")
        if self.error is not None:
            raise self.error
        yield self.client


def quick(**changes: Any) -> Settings:
    """Settings under which nothing is waited for longer than a test likes."""
    fields: dict[str, Any] = {"debounce_ms": 1, "report_every_s": 0.01, "retry_first_s": 0.01, "silence_s": 60.0}
    return Settings(**{**fields, **changes})


async def until(pilot: Pilot[None], condition: Callable[[], object], deadline_s: float = 60.0) -> None:
    """Let the app work until the condition holds. Fails the test with what is on the screen instead."""
    try:
        async with asyncio.timeout(deadline_s):
            while not condition():
                await pilot.pause()
    except TimeoutError:
        pytest.fail(f"It did not come within {deadline_s:g} s. The screen:\n{screen_text(pilot)}")


async def ask(pilot: Pilot[None], text: str) -> None:
    """Type, and wait for the final answer's results."""
    await pilot.press(*text)
    stages = pilot.app.screen.query_one("#stages")
    await until(pilot, lambda: "result" in str(stages.render()) and "…" not in str(stages.render()))


def screen_text(pilot: Pilot[None]) -> str:
    """The screen as a person sees it, line by line."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def selected(pilot: Pilot[None]) -> str:
    hit = pilot.app.screen.query_one(Results).hit
    return hit.path if hit else ""
