from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ipc import sync
from ipc.errors import DaemonUnreachable, QmdError
from ipc.paths import Paths
from ipc.protocol import MAX_MESSAGE_BYTES, Done, Embed, JobGet, JobReply, Search, SearchReply, Shutdown
from ipc.sync import SyncClient

JOB = {"id": "j1", "kind": "update", "index": "index"}


def progress(state: str, *, done: bool) -> dict[str, Any]:
    return {"job": {**JOB, "state": state}, "done": done}


@pytest.fixture
def client(router: Any) -> Iterator[SyncClient]:
    """Connected, so that no test's short time is spent on that."""
    with SyncClient(router.address) as client:
        client.call(Shutdown(), Done)
        router.received.clear()
        yield client


def test_it_imports_no_asyncio() -> None:
    code = "import sys, ipc.sync, ipc.launch; sys.exit('asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestCall:
    def test_the_reply_is_typed(self, client: SyncClient, router: Any) -> None:
        router.answer = lambda _: [{"results": [], "stage": "lexical"}]
        assert client.call(Search(query="a"), SearchReply).stage == "lexical"
        assert isinstance(client.call(Search(query="a")), SearchReply)

    def test_or_raw(self, client: SyncClient, router: Any) -> None:
        router.answer = lambda _: [{"results": [], "stage": "lexical", "new": 1}]
        assert client.call_raw(Search(query="a"))["new"] == 1

    def test_an_error_is_raised(self, client: SyncClient, router: Any) -> None:
        router.answer = lambda _: [{"ok": False, "error": {"code": "no_model", "message": "None.", "hint": "Get one."}}]
        for call in (client.call, client.call_raw):
            with pytest.raises(QmdError) as caught:
                call(Search(query="a"))
            assert caught.value.code == "no_model"

    def test_of_a_stream_it_returns_the_last(self, client: SyncClient, router: Any) -> None:
        router.answer = lambda _: [progress("running", done=False), progress("done", done=True)]
        assert client.call(JobGet(job="j1", stream=True), JobReply).job.state == "done"

    def test_the_daemon_is_told_how_long_it_may_take(self, client: SyncClient, router: Any) -> None:
        client.call(Shutdown(), Done, timeout_s=7)
        client.call(Shutdown(deadline_s=3), Done, timeout_s=7)
        assert [request["deadline_s"] for request in router.received] == [7, 3]

    def test_an_answer_that_came_too_late_is_not_taken_for_the_next(
        self, client: SyncClient, router: Any, wait_until: Any
    ) -> None:
        router.answer = lambda _: []
        with pytest.raises(DaemonUnreachable):
            client.call(Search(query="late"), timeout_s=0.01)
        # Ten milliseconds are not always enough to be received, either.
        late = wait_until(lambda: router.received, "the request")[0]["id"]
        router.answer = lambda _: [
            {"id": late, "results": [], "stage": "fused"},
            {"results": [], "stage": "lexical"},
        ]
        assert client.call(Search(query="a"), SearchReply).stage == "lexical"

    def test_what_is_too_large_is_not_sent(self, client: SyncClient, router: Any) -> None:
        with pytest.raises(QmdError) as caught:
            client.call(Embed(texts=["x" * MAX_MESSAGE_BYTES]))
        assert caught.value.code == "too_large"
        assert router.received == []


class TestStream:
    def test_every_reply_is_yielded(self, client: SyncClient, router: Any) -> None:
        router.answer = lambda _: [progress("running", done=False), progress("done", done=True)]
        states = [reply.job.state for reply in client.stream(JobGet(job="j1", stream=True), JobReply)]
        assert states == ["running", "done"]
        assert [request["op"] for request in router.received] == ["job"]

    def test_leaving_early_cancels(self, client: SyncClient, router: Any) -> None:
        router.answer = lambda request: [progress("running", done=False)] if request["op"] == "job" else [{}]
        replies = client.stream(JobGet(job="j1", stream=True), JobReply)
        next(replies)
        replies.close()  # type: ignore[attr-defined]
        client.call(Shutdown())
        job, cancel, _ = router.received
        assert (cancel["op"], cancel["target"]) == ("cancel", job["id"])

    def test_an_error_ends_it(self, client: SyncClient, router: Any) -> None:
        router.answer = lambda _: [
            progress("running", done=False),
            {"ok": False, "error": {"code": "not_found", "message": "Gone."}},
        ]
        with pytest.raises(QmdError, match="Gone"):
            list(client.stream(JobGet(job="j1", stream=True), JobReply))
        assert len(router.received) == 1

    def test_a_long_silence_is_fine_while_pings_are_answered(self, client: SyncClient, router: Any) -> None:
        """The reply to the job comes only after the second ping."""
        pings = []

        def answer(request: dict[str, Any]) -> list[dict[str, Any]]:
            if request["op"] != "ping":
                return []
            pings.append(request)
            pong = {"protocol": 1, "version": "1", "pid": 1, "ready": True, "state": "ready"}
            return [pong] if len(pings) < 2 else [{**progress("done", done=True), "id": router.received[0]["id"]}]

        router.answer = answer
        replies = client.stream(JobGet(job="j1", stream=True), JobReply, timeout_s=0.01)
        assert [reply.job.state for reply in replies] == ["done"]

    def test_a_daemon_that_answers_no_ping_is_gone(
        self, client: SyncClient, router: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sync, "PING_S", 0.05)
        router.answer = lambda _: []
        with pytest.raises(DaemonUnreachable, match="ping"):
            list(client.stream(JobGet(job="j1", stream=True), JobReply, timeout_s=0.01))


class TestNobodyThere:
    def test_an_address_without_a_daemon(self, home: Paths) -> None:
        with SyncClient(home.rpc) as client, pytest.raises(DaemonUnreachable):
            client.ping(timeout_s=0.05)

    def test_a_daemon_that_does_not_answer(self, client: SyncClient, router: Any) -> None:
        router.answer = lambda _: []
        with pytest.raises(DaemonUnreachable, match="within"):
            client.ping(timeout_s=0.05)

    def test_a_daemon_that_dies_is_noticed_at_once(self, client: SyncClient, router: Any) -> None:
        def answer(_: object) -> list[dict[str, Any]]:
            router.die()
            return []

        router.answer = answer
        with pytest.raises(DaemonUnreachable, match="went away"):
            client.call(Search(query="a"), timeout_s=60)

    def test_a_daemon_that_comes_back_is_found_again(self, client: SyncClient, router: Any, wait_until: Any) -> None:
        client.call(Search(query="a"), Done)
        router.stop()
        # Before the loss is noticed, a request is sent to who is gone, and fails.
        link = client._link
        wait_until(lambda: link.pump() or link.lost, "the loss of the connection")
        later = type(router)(router.address)
        try:
            client.call(Search(query="b"), Done, timeout_s=20)
            assert [request["query"] for request in later.received] == ["b"]
        finally:
            later.stop()

    def test_a_request_is_not_kept_for_a_daemon_that_comes_later(self, home: Paths, router: Any) -> None:
        router.stop()
        with SyncClient(home.rpc) as client:
            with pytest.raises(DaemonUnreachable):
                client.call(Shutdown(), timeout_s=0.05)
            later = type(router)(home.rpc)
            try:
                client.call(Search(query="now"), Done, timeout_s=10)
                assert [request["op"] for request in later.received] == ["search"]
            finally:
                later.stop()
