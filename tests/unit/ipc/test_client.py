from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
import zmq

from ipc import client as client_module
from ipc import codec, transport
from ipc.client import Client
from ipc.errors import DaemonUnreachable, QmdError
from ipc.paths import Paths
from ipc.protocol import (
    MAX_MESSAGE_BYTES,
    Done,
    Embed,
    EmbedReply,
    GpuSample,
    IndexEvent,
    JobGet,
    JobReply,
    Search,
    SearchReply,
    Shutdown,
)

FOUND = {"results": [], "stage": "lexical"}
PONG = {"protocol": 1, "version": "1", "pid": 1, "ready": True, "state": "ready"}


def progress(state: str, *, done: bool) -> dict[str, Any]:
    return {"job": {"id": "j1", "kind": "update", "index": "index", "state": state}, "done": done}


@pytest.fixture
async def client(router: Any) -> AsyncIterator[Client]:
    """Connected, so that no test's short time is spent on that."""
    async with Client(router.address) as client:
        await client.call(Shutdown(), Done)
        router.received.clear()
        yield client


class TestCall:
    async def test_the_reply_is_typed(self, client: Client, router: Any) -> None:
        router.answer = lambda _: [FOUND]
        assert (await client.call(Search(query="a"), SearchReply)).stage == "lexical"

    async def test_an_error_is_raised(self, client: Client, router: Any) -> None:
        router.answer = lambda _: [{"ok": False, "error": {"code": "no_model", "message": "None."}}]
        with pytest.raises(QmdError) as caught:
            await client.call(Search(query="a"), SearchReply)
        assert caught.value.code == "no_model"

    async def test_many_at_once_each_get_their_own(self, client: Client, router: Any) -> None:
        """Answered in pairs, the second first."""
        held: list[dict[str, Any]] = []

        def answer(request: dict[str, Any]) -> list[dict[str, Any]]:
            held.append(request)
            if len(held) < 2:
                return []
            replies = [{**FOUND, "id": each["id"], "notes": [each["query"]]} for each in reversed(held)]
            held.clear()
            return replies

        router.answer = answer
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(client.call(Search(query=str(n)), SearchReply)) for n in range(20)]
        assert [task.result().notes for task in tasks] == [[str(n)] for n in range(20)]

    async def test_an_id_in_use_is_refused(self, client: Client, router: Any) -> None:
        answers = {"job": [progress("running", done=False)]}
        router.answer = lambda request: answers.get(request["op"], [])
        async with aclosing(client.stream(JobGet(id="x", job="j1"), JobReply)) as replies:
            await anext(replies)
            with pytest.raises(QmdError, match="under way"):
                await client.call(Search(id="x", query="a"), SearchReply)

    async def test_cancelling_the_caller_cancels_the_request(self, client: Client, router: Any) -> None:
        router.answer = lambda request: [PONG] if request["op"] == "ping" else []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.call(Search(query="a"), SearchReply)
        await client.ping()
        search, cancel, _ = router.received
        assert (cancel["op"], cancel["target"]) == ("cancel", search["id"])

    async def test_what_is_too_large_is_not_sent(self, client: Client) -> None:
        with pytest.raises(QmdError) as caught:
            await client.call(Embed(texts=["x" * MAX_MESSAGE_BYTES]), EmbedReply)
        assert caught.value.code == "too_large"


class TestEmbed:
    async def test_vectors_come_as_one_frame(self, client: Client, router: Any) -> None:
        floats = [0.5, -1.0, 2.0, 0.25, 0.0, 1.0]
        reply = {"count": 2, "dimension": 3, "model": "fake", "encoding": "f32"}
        router.answer = lambda _: [(reply, struct.pack("<6f", *floats))]
        vectors = await client.embed(["a", "b"])
        assert isinstance(vectors, memoryview)
        assert vectors.tolist() == [floats[:3], floats[3:]]
        assert router.received[0]["encoding"] == "f32"

    async def test_no_texts(self, client: Client, router: Any) -> None:
        router.answer = lambda _: [{"count": 0, "dimension": 3, "model": "fake", "encoding": "f32"}]
        assert await client.embed([]) == []


class TestStream:
    async def test_every_reply_is_yielded(self, client: Client, router: Any) -> None:
        router.answer = lambda _: [progress("running", done=False), progress("done", done=True)]
        states = [reply.job.state async for reply in client.stream(JobGet(job="j1", stream=True), JobReply)]
        assert states == ["running", "done"]

    async def test_leaving_early_cancels(self, client: Client, router: Any) -> None:
        answers = {"job": [progress("running", done=False)], "ping": [PONG]}
        router.answer = lambda request: answers.get(request["op"], [])
        async with aclosing(client.stream(JobGet(job="j1", stream=True), JobReply)) as replies:
            await anext(replies)
        await client.ping()
        job, cancel, _ = router.received
        assert (cancel["op"], cancel["target"]) == ("cancel", job["id"])

    async def test_a_long_silence_is_fine_while_pings_are_answered(self, client: Client, router: Any) -> None:
        pings = []

        def answer(request: dict[str, Any]) -> list[dict[str, Any]]:
            if request["op"] != "ping":
                return []
            pings.append(request)
            return [PONG] if len(pings) < 2 else [PONG, {**progress("done", done=True), "id": router.received[0]["id"]}]

        router.answer = answer
        stream = client.stream(JobGet(job="j1", stream=True), JobReply, timeout_s=0.01)
        assert [reply.job.state async for reply in stream] == ["done"]

    async def test_a_daemon_that_answers_no_ping_is_gone(
        self, client: Client, router: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client_module, "PING_S", 0.05)
        router.answer = lambda _: []
        with pytest.raises(DaemonUnreachable):
            async for _ in client.stream(JobGet(job="j1", stream=True), JobReply, timeout_s=0.01):
                pass


class TestNobodyThere:
    async def test_an_address_without_a_daemon(self, home: Paths) -> None:
        async with Client(home.rpc) as client:
            with pytest.raises(DaemonUnreachable):
                await client.ping(timeout_s=0.05)

    async def test_a_daemon_that_dies_is_noticed_at_once_by_everybody(self, client: Client, router: Any) -> None:
        def answer(_: object) -> list[dict[str, Any]]:
            if len(router.received) == 3:
                router.die()
            return []

        router.answer = answer
        calls = [client.call(Search(query="a"), SearchReply, timeout_s=60) for _ in range(3)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [DaemonUnreachable] * 3

    async def test_a_daemon_that_comes_back_is_found_again(self, client: Client, router: Any, wait_until: Any) -> None:
        first = client._link
        router.stop()
        # Before the loss is noticed, a request is sent to who is gone, and fails.
        await asyncio.to_thread(wait_until, lambda: client._link is not first, "the loss of the connection")
        later = type(router)(router.address)
        try:
            later.answer = lambda _: [FOUND]
            assert (await client.call(Search(query="a"), SearchReply, timeout_s=20)).stage == "lexical"
        finally:
            later.stop()

    async def test_leaving_ends_what_is_under_way(self, router: Any) -> None:
        arrived = threading.Event()

        def answer(_: object) -> list[dict[str, Any]]:
            arrived.set()
            return []

        router.answer = answer
        async with asyncio.TaskGroup() as group, Client(router.address) as client:
            task = group.create_task(_outcome(client))
            await asyncio.to_thread(arrived.wait)
        assert isinstance(task.result(), DaemonUnreachable)

    async def test_leaving_ends_what_waits_for_a_daemon(self, home: Paths) -> None:
        async with asyncio.TaskGroup() as group, Client(home.rpc) as client:
            task = group.create_task(_outcome(client))
            await asyncio.sleep(0)
        assert isinstance(task.result(), DaemonUnreachable)

    async def test_a_client_that_was_left_says_so(self, router: Any) -> None:
        async with Client(router.address) as client:
            pass
        with pytest.raises(DaemonUnreachable, match="closed"):
            await client.ping()


async def _outcome(client: Client) -> BaseException | None:
    try:
        await client.call(Search(query="a"), SearchReply, timeout_s=60)
    except QmdError as error:
        return error
    return None


class TestEvents:
    async def test_topics_are_chosen(self, home: Paths, router: Any) -> None:
        with zmq.Context() as context, context.socket(zmq.XPUB) as publisher:
            listener = transport.Listener(publisher, home.events)
            async with Client(router.address, home.events) as client:
                async with aclosing(client.events("index")) as events, asyncio.TaskGroup() as group:
                    first = group.create_task(_first(events))
                    assert await asyncio.to_thread(publisher.recv) == b"\x01index"
                    for topic, event in (("gpu", GpuSample(at=1.0)), ("index", IndexEvent(index="index", seq=7))):
                        publisher.send_multipart([topic.encode(), codec.encode(event)])
                assert first.result() == ("index", IndexEvent(index="index", seq=7))
            listener.remove()


async def _first(events: Any) -> Any:
    return await anext(events)
