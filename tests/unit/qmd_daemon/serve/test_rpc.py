from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import zmq
import zmq.asyncio
from structlog.testing import capture_logs

from ipc import transport
from ipc.errors import QmdError
from ipc.paths import Paths, private_dir
from ipc.protocol import MAX_MESSAGE_BYTES, AnyRequest, Done, Search
from qmd_daemon.serve.dispatch import Answer, Dispatcher, Emit
from qmd_daemon.serve.lifecycle import Lifecycle
from qmd_daemon.serve.rpc import LocalGate, Rpc

Json = dict[str, Any]


class Peer:
    """A socket of a client that knows nothing of our client."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket

    async def send(self, *frames: bytes) -> None:
        await self.socket.send_multipart(frames)

    async def receive(self) -> Json:
        async with asyncio.timeout(10):
            frames = await self.socket.recv_multipart()
        reply: Json = json.loads(frames[0] or frames[1])  # an empty frame first, if the request began with one
        return reply

    async def ask(self, **fields: Any) -> Json:
        await self.send(json.dumps(fields).encode())
        return await self.receive()


class Line:
    def __init__(self, context: zmq.asyncio.Context, address: str) -> None:
        self.context = context
        self.address = address
        self.peers: list[Peer] = []

    def connect(self, kind: int = zmq.DEALER) -> Peer:
        self.peers.append(Peer(transport.connect(self.context, kind, self.address)))
        return self.peers[-1]


@pytest.fixture
async def line(home: Paths, dispatcher: Dispatcher) -> AsyncIterator[Line]:
    private_dir(home.runtime)
    with zmq.asyncio.Context() as context:
        line = Line(context, home.rpc)
        async with Rpc(context, LocalGate(home.rpc), dispatcher):
            yield line
        for peer in line.peers:
            peer.socket.close(0)


@pytest.fixture
async def peer(line: Line) -> Peer:
    return line.connect()


@pytest.mark.parametrize("kind", [zmq.REQ, zmq.DEALER])
async def test_a_plain_socket_of_any_kind_gets_its_reply(line: Line, kind: int) -> None:
    peer = line.connect(kind)
    for number in range(3):
        reply = await peer.ask(op="search", id=str(number), query="a")
        assert (reply["id"], reply["ok"], reply["done"]) == (str(number), True, True)
        assert reply["results"][0]["docid"] == "#abc123"


async def test_a_ping_is_answered_when_nothing_else_is(line: Line, peer: Peer, dispatcher: Dispatcher) -> None:
    await dispatcher.drain(0)
    assert (await peer.ask(op="ping"))["pid"]
    assert (await peer.ask(op="search", query="a"))["error"]["code"] == "unavailable"


async def test_shutdown(peer: Peer, lifecycle: Lifecycle) -> None:
    assert (await peer.ask(op="shutdown"))["ok"]
    await lifecycle.stopped()


async def test_a_stream_has_several_replies(peer: Peer) -> None:
    first = await peer.ask(op="query", id="7", query="a", stream=True)
    second = await peer.receive()
    assert [(each["id"], each["stage"], each["done"]) for each in (first, second)] == [
        ("7", "lexical", False),
        ("7", "fused", True),
    ]


async def test_vectors_may_follow_as_a_frame(peer: Peer) -> None:
    await peer.send(json.dumps({"op": "embed", "texts": ["a"], "encoding": "f32"}).encode())
    body, binary = await peer.socket.recv_multipart()
    assert json.loads(body)["embeddings"] == []
    assert memoryview(binary).cast("f").tolist() == [0.5, 1.0]


class TestErrors:
    @pytest.mark.parametrize(
        ("frames", "code"),
        [
            ([b""], "malformed"),
            ([b"", b""], "malformed"),
            ([b"{"], "malformed"),
            ([b"[]"], "malformed"),
            ([b'{"op":"ping"}', b"more"], "malformed"),
            ([b'{"op":"pong"}'], "unknown_op"),
            ([b'{"op":"search","id":"7","query":"a","top_q":1}'], "invalid"),
            ([b'{"op":"search","query":"a","protocol":2}'], "version"),
            ([b" " * (MAX_MESSAGE_BYTES + 1)], "too_large"),
        ],
    )
    async def test_what_cannot_be_read_gets_an_error_and_the_next_is_answered(
        self, peer: Peer, frames: list[bytes], code: str
    ) -> None:
        await peer.send(*frames)
        reply = await peer.receive()
        assert (reply["ok"], reply["done"], reply["error"]["code"]) == (False, True, code)
        assert (await peer.ask(op="search", query="a"))["ok"]

    async def test_an_error_has_the_id_of_its_request(self, peer: Peer) -> None:
        assert (await peer.ask(op="search", id="7"))["id"] == "7"

    async def test_who_sends_far_too_much_is_cut_off_and_may_come_back(self, line: Line, peer: Peer) -> None:
        await peer.send(b" " * (transport.HARD_MAX_BYTES + 1))
        assert (await line.connect().ask(op="ping"))["ok"]
        assert (await peer.ask(op="ping"))["ok"]

    async def test_too_many_at_once(self, peer: Peer) -> None:
        for name in ("1", "2"):
            await peer.send(json.dumps({"op": "job", "id": name, "job": "j"}).encode())
        reply = await peer.ask(op="search", id="3", query="a")
        assert (reply["id"], reply["error"]["code"]) == ("3", "overloaded")
        assert (await peer.ask(op="ping", id="4"))["id"] == "4"

    async def test_an_id_in_use(self, peer: Peer) -> None:
        await peer.send(json.dumps({"op": "job", "id": "1", "job": "j"}).encode())
        assert (await peer.ask(op="search", id="1", query="a"))["error"]["code"] == "conflict"

    async def test_a_file_name_that_is_no_unicode(self, peer: Peer, work: Any) -> None:
        work.error = QmdError("not_found", "caf\udce9")
        assert (await peer.ask(op="search", query="a"))["error"]["message"] == "caf?"


class TestCancel:
    async def test_it_stops_the_request_and_answers_both(self, peer: Peer, work: Any) -> None:
        await peer.send(json.dumps({"op": "job", "id": "1", "job": "j"}).encode())
        await work.waiting.wait()
        replies = {
            reply["id"]: reply for reply in (await peer.ask(op="cancel", id="2", target="1"), await peer.receive())
        }
        assert replies["2"]["ok"]
        assert replies["1"]["error"]["code"] == "cancelled"
        assert work.cancelled.is_set()

    async def test_nobody_cancels_the_request_of_another(self, line: Line, peer: Peer, work: Any) -> None:
        await peer.send(json.dumps({"op": "job", "id": "1", "job": "j"}).encode())
        await work.waiting.wait()
        reply = await line.connect().ask(op="cancel", id="2", target="1")
        assert reply["error"]["code"] == "not_found"
        assert not work.cancelled.is_set()

    async def test_the_next_request_of_its_sender_begins_when_it_has_ended(
        self, line: Line, peer: Peer, work: Any
    ) -> None:
        work.may_leave.clear()
        await peer.send(json.dumps({"op": "job", "id": "1", "job": "j"}).encode())
        await work.waiting.wait()
        await peer.ask(op="cancel", id="2", target="1")
        await peer.send(json.dumps({"op": "search", "id": "3", "query": "a"}).encode())
        other = line.connect()
        assert (await other.ask(op="search", id="4", query="b"))["ok"]  # nobody else is held up
        assert "a" not in [request.query for request in work.requests if isinstance(request, Search)]
        work.may_leave.set()
        assert [(await peer.receive())["id"] for _ in range(2)] == ["1", "3"]

    async def test_leaving_cancels_what_runs(self, home: Paths, dispatcher: Dispatcher, work: Any) -> None:
        private_dir(home.runtime)
        with zmq.asyncio.Context() as context:
            async with Rpc(context, LocalGate(home.rpc), dispatcher):
                peer = Line(context, home.rpc).connect()
                await peer.send(b'{"op":"job","job":"j"}')
                await work.waiting.wait()
            assert work.cancelled.is_set()
            assert (await peer.receive())["error"]["code"] == "cancelled"
            peer.socket.close(0)


async def test_a_stream_to_a_peer_that_has_gone_ends(line: Line, dispatcher: Dispatcher) -> None:
    ended: asyncio.Queue[QmdError] = asyncio.Queue()

    async def count(_: AnyRequest, emit: Emit) -> Answer:
        try:
            while True:
                await emit(Done(done=False))
                await asyncio.sleep(0)
        except QmdError as error:
            ended.put_nowait(error)
            raise

    dispatcher.open(count)
    with zmq.asyncio.Context() as context:
        peer = Line(context, line.address).connect()
        await peer.ask(op="jobs")
        peer.socket.close(0)
    async with asyncio.timeout(10):
        assert (await ended.get()).code == "cancelled"


async def test_a_bug_that_a_message_meets_ends_nothing(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = line.connect()
    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr("ipc.codec.decode_request", lambda _: 1 / 0)
        assert (await peer.ask(op="ping"))["error"]["code"] == "internal"
    assert [one["event"] for one in logs] == ["rpc.failed"]
    assert (await peer.ask(op="ping"))["ok"] is True
