"""Words at once, and no model before the pause is over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ipc.errors import QmdError
from ipc.protocol import Query, Reply, Search, SearchReply, VSearch
from qmd_daemon.engine.model import Priority
from qmd_daemon.serve.pausing import paused

LEXICAL = SearchReply(results=[], stage="lexical")
FUSED = SearchReply(results=[], stage="fused")
LONG_MS = 10_000


class Searcher:
    """Answers a query in stages, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[type] = []
        self.words: SearchReply | QmdError = LEXICAL

    async def search(self, request: Any, emit: Any = None, priority: Any = None) -> SearchReply:
        self.asked.append(type(request))
        if isinstance(request, Search):
            if isinstance(self.words, QmdError):
                raise self.words
            return self.words
        if emit is not None:
            await emit(SearchReply(results=[], stage="lexical", done=False))
            await emit(SearchReply(results=[], stage="fused", done=False))
        return SearchReply(results=[], stage="reranked")


class Client:
    """What was sent to whoever asked."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    async def emit(self, reply: Reply) -> None:
        assert isinstance(reply, SearchReply)
        assert not reply.done
        self.stages.append(reply.stage)


async def ask(searcher: Searcher, request: Any, client: Client | None) -> SearchReply:
    return await paused(searcher, request, client.emit if client else None, Priority.INTERACTIVE)  # type: ignore[arg-type]


async def test_the_words_come_before_the_pause_and_once() -> None:
    searcher, client = Searcher(), Client()
    reply = await ask(searcher, Query(query="a", stream=True, pause_ms=1), client)
    assert reply.stage == "reranked"
    assert client.stages == ["lexical", "fused"]
    assert searcher.asked == [Search, Query]


async def test_cancelled_within_the_pause_no_model_was_asked() -> None:
    searcher, client = Searcher(), Client()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(ask(searcher, Query(query="a", stream=True, pause_ms=LONG_MS), client))
        while not client.stages:
            await asyncio.sleep(0)
        task.cancel()
    assert searcher.asked == [Search]


async def test_a_query_without_words_waits_for_its_meaning() -> None:
    searcher, client = Searcher(), Client()
    searcher.words = QmdError("invalid", "No words.")
    await ask(searcher, Query(query="vec: a", stream=True, pause_ms=1), client)
    assert client.stages == ["lexical", "fused"]


async def test_what_else_goes_wrong_is_told_at_once() -> None:
    searcher = Searcher()
    searcher.words = QmdError("not_found", "No such collection.")
    with pytest.raises(QmdError, match="No such collection"):
        await ask(searcher, Query(query="a", stream=True, pause_ms=LONG_MS), Client())


@pytest.mark.parametrize(
    "request_", [Search(query="a", pause_ms=LONG_MS), Query(query="a"), VSearch(query="a", pause_ms=1)]
)
async def test_what_has_no_pause_or_no_early_reply_is_searched_as_ever(request_: Any) -> None:
    searcher = Searcher()
    await ask(searcher, request_, None)
    assert searcher.asked == [type(request_)]
