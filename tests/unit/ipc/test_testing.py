from __future__ import annotations

import asyncio
import inspect
from contextlib import aclosing

import pytest

from ipc.client import Client
from ipc.errors import QmdError
from ipc.protocol import Done, IndexEvent, Search, SearchReply, Shutdown, Topic
from ipc.testing import FakeClient

LEXICAL = SearchReply(results=[], stage="lexical", done=False)
FUSED = SearchReply(results=[], stage="fused")


@pytest.mark.parametrize("method", ["call", "embed", "stream", "events", "ping"])
def test_it_has_the_methods_of_the_real_one(method: str) -> None:
    fake, real = (inspect.signature(getattr(kind, method)) for kind in (FakeClient, Client))
    assert fake == real


async def test_it_answers_what_it_was_told() -> None:
    async with FakeClient() as client:
        client.on(Search, FUSED)
        client.on(Shutdown, lambda request: Done(id=request.id))
        assert await client.call(Search(query="a"), SearchReply) == FUSED
        assert await client.call(Shutdown(id="7"), Done) == Done(id="7")
        assert client.requests == [Search(query="a"), Shutdown(id="7")]


async def test_it_streams() -> None:
    client = FakeClient()
    client.on(Search, [LEXICAL, FUSED])
    assert [reply async for reply in client.stream(Search(query="a"), SearchReply)] == [LEXICAL, FUSED]
    assert await client.call(Search(query="a"), SearchReply) == FUSED


async def test_it_raises() -> None:
    client = FakeClient()
    client.on(Search, QmdError("no_model", "None."))
    with pytest.raises(QmdError, match="None"):
        await client.call(Search(query="a"), SearchReply)
    with pytest.raises(QmdError, match="told nothing"):
        await client.call(Shutdown(), Done)


async def test_answers_can_be_held_back() -> None:
    client = FakeClient()
    client.on(Search, FUSED)
    gate = client.hold(Search)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(client.call(Search(query="a"), SearchReply))
        await asyncio.sleep(0)
        assert not task.done()
        gate.set()
    assert task.result() == FUSED


async def test_it_remembers_what_was_cancelled() -> None:
    client = FakeClient()
    client.hold(Search)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await client.call(Search(query="a"), SearchReply)
    assert client.cancelled == [Search(query="a")]


async def test_events_reach_who_listens_to_their_topic() -> None:
    client = FakeClient()
    event = IndexEvent(index="index", seq=1)

    async def first(*topics: Topic) -> object:
        async with aclosing(client.events(*topics)) as events:
            return await anext(events)

    async with asyncio.TaskGroup() as group:
        chosen, everything = group.create_task(first("index")), group.create_task(first())
        await asyncio.sleep(0)
        assert client.listeners == 2
        client.emit("index", event)
    assert chosen.result() == everything.result() == ("index", event)
    assert client.listeners == 0
