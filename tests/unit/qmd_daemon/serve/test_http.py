from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest
from structlog.testing import capture_logs

from ipc.errors import QmdError
from ipc.protocol import EngineStatus, Get, IndexEvent, ModelsEvent, Rerank, Search, Status
from qmd_daemon.config import HttpConfig
from qmd_daemon.grants import Grants
from qmd_daemon.serve.dispatch import Dispatcher
from qmd_daemon.serve.feed import LISTENERS_MAX, Feed
from qmd_daemon.serve.http import Http, PortTaken
from qmd_daemon.serve.lifecycle import Lifecycle

NOBODY = Grants("/nowhere/access.json")
ENGINE = EngineStatus(state="off", engine="fake", model="fake", device="cpu")
CONFIG = HttpConfig(port=0, max_body_bytes=4096)


class Web:
    """Requests to the server under test."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self.session = session
        self.address = address

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self.session.get(self.address + path, headers=headers) as response:
            return response.status, await response.json()

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.post(self.address + path, data=data) as response:
            return response.status, await response.json()

    async def refusal(self, path: str, body: Any) -> tuple[int, str]:
        status, content = await self.post(path, body)
        assert set(content) == {"error"}
        assert set(content["error"]) == {"code", "message", "hint"}
        return status, content["error"]["code"]


def unnamed(requests: list[Any]) -> list[Any]:
    """Requests without the ids that HTTP has given them."""
    return [msgspec.structs.replace(request, id="") for request in requests]


@pytest.fixture
async def web(dispatcher: Dispatcher, lifecycle: Lifecycle) -> AsyncIterator[Web]:
    async with (
        Http(CONFIG, dispatcher, lifecycle, lambda: ENGINE, grants=NOBODY) as http,
        aiohttp.ClientSession() as session,
    ):
        yield Web(session, http.address)


class TestHealth:
    async def test_it_says_who_is_there(self, web: Web) -> None:
        status, body = await web.get("/health")
        assert status == 200
        assert body["status"] == "ok"
        assert body["version"] == "1.2.3"
        assert (body["ready"], body["engine"], body["device"]) == (True, "off", "cpu")

    async def test_it_answers_while_everything_is_busy(self, web: Web, work: Any) -> None:
        work.endless = (Search,)
        async with asyncio.TaskGroup() as group:
            busy = [group.create_task(web.post("/search", {"query": "a"})) for _ in range(2)]
            await work.waiting.wait()
            assert (await web.get("/health"))[0] == 200
            for task in busy:
                task.cancel()


class TestReady:
    async def test_it_is(self, web: Web) -> None:
        assert await web.get("/ready") == (200, {"ready": True, "state": "ready"})

    @pytest.mark.parametrize("phase", ["starting", "stopping"])
    async def test_not_while_it_starts_or_drains(self, web: Web, lifecycle: Lifecycle, phase: Any) -> None:
        lifecycle.phase = phase
        assert await web.get("/ready") == (503, {"ready": False, "state": phase})
        assert (await web.get("/health"))[0] == 200

    async def test_not_while_a_model_loads(self, dispatcher: Dispatcher, lifecycle: Lifecycle) -> None:
        loading = EngineStatus(state="starting", engine="ct2", model="m")
        async with (
            Http(CONFIG, dispatcher, lifecycle, lambda: loading, grants=NOBODY) as http,
            aiohttp.ClientSession() as session,
        ):
            assert await Web(session, http.address).get("/ready") == (503, {"ready": False, "state": "loading m"})


class TestEvents:
    async def test_what_happens_by_topic(self, dispatcher: Dispatcher, lifecycle: Lifecycle) -> None:
        feed = Feed()
        async with (
            Http(CONFIG, dispatcher, lifecycle, lambda: ENGINE, grants=NOBODY, feed=feed) as http,
            aiohttp.ClientSession() as session,
            asyncio.timeout(20),
        ):
            asking = asyncio.gather(session.get(http.address + "/events?topic=index"))
            while not feed.listeners:
                await asyncio.sleep(0)
            feed.publish("models", ModelsEvent(engine=ENGINE))
            await asyncio.to_thread(feed.publish, "index", IndexEvent(index="notes", seq=7))
            (response,) = await asking
            async with response:
                assert response.content_type == "text/event-stream"
                assert await response.content.readline() == b"event: index\n"
                assert json.loads((await response.content.readline())[6:]) == {"index": "notes", "seq": 7}
        assert feed.listeners == 0

    async def test_a_slow_listener_loses_the_oldest(self) -> None:
        feed = Feed()
        listening = feed.listen(60.0)
        async with asyncio.timeout(20):
            first = asyncio.gather(anext(listening))
            await asyncio.sleep(0)
            for number in range(300):
                feed.publish("index", IndexEvent(index="notes", seq=number))
            (event,) = await first
            assert event is not None
            assert event.event == IndexEvent(index="notes", seq=200)
            await listening.aclose()

    async def test_there_is_an_end_to_how_many(self) -> None:
        feed = Feed()
        async with asyncio.timeout(20):
            listeners = [feed.listen(0.001) for _ in range(LISTENERS_MAX + 1)]
            for one in listeners[:-1]:
                assert await anext(one) is None
            with pytest.raises(QmdError) as caught:
                await anext(listeners[-1])
            assert caught.value.code == "overloaded"
            for one in listeners:
                await one.aclose()


class TestNames:
    async def test_the_clients_own_name_comes_back_and_is_handed_on(self, web: Web, work: Any) -> None:
        headers = {"X-Request-Id": "trace-7"}
        async with web.session.post(web.address + "/search", data=b'{"query": "a"}', headers=headers) as response:
            assert response.headers["X-Request-Id"] == "trace-7"
        assert work.requests[0].id == "trace-7"

    @pytest.mark.parametrize("name", ["", "x" * 65, "ü"])
    async def test_or_it_gets_one(self, web: Web, name: str) -> None:
        async with web.session.get(web.address + "/health", headers={"X-Request-Id": name}) as response:
            assert len(response.headers["X-Request-Id"]) == 8
            assert response.headers["X-Content-Type-Options"] == "nosniff"


class TestSearch:
    @pytest.mark.parametrize("route", ["/search", "/vsearch", "/query"])
    async def test_results(self, web: Web, work: Any, route: str) -> None:
        status, body = await web.post(route, {"query": "笔记", "top_k": 5})
        assert status == 200
        assert body["results"][0]["docid"] == "#abc123"
        assert set(body) == {"results", "stage", "stages", "notes"}
        (asked,) = work.requests
        assert (type(asked).__struct_config__.tag, asked.query, asked.top_k) == (route[1:], "笔记", 5)

    async def test_limit_is_another_name_of_top_k(self, web: Web, work: Any) -> None:
        await web.post("/search", {"query": "a", "limit": 3})
        assert unnamed(work.requests) == [Search(query="a", top_k=3)]

    async def test_a_stream_is_lines_of_json(self, web: Web) -> None:
        body = b'{"query": "a", "stream": true}'
        async with web.session.post(web.address + "/query", data=body) as response:
            assert response.content_type == "application/x-ndjson"
            lines = [json.loads(line) async for line in response.content]
        assert [(line["stage"], line["done"]) for line in lines] == [("lexical", False), ("fused", True)]

    async def test_or_server_sent_events_for_who_accepts_them(self, web: Web, work: Any) -> None:
        headers = {"Accept": "text/event-stream"}
        async with web.session.post(web.address + "/query", data=b'{"query": "a"}', headers=headers) as response:
            assert response.content_type == "text/event-stream"
            assert response.headers["X-Accel-Buffering"] == "no"
            parts = (await response.text()).strip().split("\n\n")
        assert [json.loads(part.removeprefix("data: "))["stage"] for part in parts] == ["lexical", "fused"]
        assert work.requests[0].stream

    async def test_a_stream_that_fails_before_its_first_line_is_an_ordinary_error(self, web: Web, work: Any) -> None:
        work.error = QmdError("no_model", "None.")
        assert await web.refusal("/vsearch", {"query": "a", "stream": True}) == (503, "no_model")


class TestEmbed:
    async def test_a_bare_list(self, web: Web) -> None:
        assert await web.post("/embed", {"texts": ["a", "b"]}) == (200, [[0.5, 1.0], [0.5, 1.0]])
        assert await web.post("/embed", {"texts": []}) == (200, [])

    async def test_binary_is_for_zeromq(self, web: Web) -> None:
        assert await web.refusal("/embed", {"texts": ["a"], "encoding": "f32"}) == (422, "invalid")


class TestModels:
    async def test_rerank(self, web: Web, work: Any) -> None:
        status, body = await web.post("/rerank", {"query": "q", "documents": ["a"], "keep_alive": "5m"})
        assert (status, body) == (200, {"results": [{"index": 0, "score": 0.5, "raw": 0.0}], "model": "m"})
        assert unnamed(work.requests) == [Rerank(query="q", documents=["a"], keep_alive="5m")]

    async def test_expand(self, web: Web) -> None:
        status, body = await web.post("/expand", {"query": "q"})
        assert (status, body) == (200, {"lines": [{"kind": "lex", "text": "q"}], "model": "m"})

    @pytest.mark.parametrize("wrong", [{"kinds": []}, {"kinds": ["lax"]}, {"keep_alive": "5 weeks"}])
    async def test_what_is_no_expansion(self, web: Web, wrong: dict[str, Any]) -> None:
        assert await web.refusal("/expand", {"query": "q", **wrong}) == (422, "invalid")

    async def test_what_is_in_memory(self, web: Web) -> None:
        async with web.session.get(web.address + "/models") as response:
            assert response.status == 200
            assert await response.json() == {"models": [], "pid": 7, "used_bytes": 0, "queued": 0}


class TestErrors:
    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (b"", 400, "malformed"),
            (b"{", 400, "malformed"),
            (b"[]", 400, "malformed"),
            (b"\xff\xfe", 400, "malformed"),
            ({}, 422, "invalid"),
            ({"query": 1}, 422, "invalid"),
            ({"query": "a", "top_k": 0}, 422, "invalid"),
            ({"query": "a", "topk": 1}, 422, "invalid"),
            ({"query": "a", "op": "embed"}, 422, "invalid"),
            (b" " * 5000, 413, "too_large"),
        ],
    )
    async def test_bodies(self, web: Web, body: Any, status: int, code: str) -> None:
        assert await web.refusal("/search", body) == (status, code)
        assert (await web.post("/search", {"query": "a"}))[0] == 200

    async def test_the_nearest_name_is_told(self, web: Web) -> None:
        _, body = await web.post("/search", {"query": "a", "topk": 1})
        assert "top_k" in body["error"]["hint"]

    async def test_an_unknown_route(self, web: Web) -> None:
        assert await web.refusal("/serch", {}) == (404, "not_found")

    async def test_a_wrong_method(self, web: Web) -> None:
        async with web.session.get(web.address + "/embed") as response:
            assert (response.status, response.headers["Allow"]) == (405, "POST")
            assert (await response.json())["error"]["hint"] == "Use POST."

    async def test_busy_says_when_to_come_back(self, web: Web, work: Any) -> None:
        work.error = QmdError("overloaded", "Full.")
        async with web.session.post(web.address + "/search", data=b'{"query": "a"}') as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0

    async def test_a_bug_shows_no_traceback(self, web: Web, work: Any) -> None:
        work.error = ZeroDivisionError("secret")
        with capture_logs():
            status, body = await web.post("/search", {"query": "a"})
        assert (status, body["error"]["code"]) == (500, "internal")
        assert "secret" not in str(body)

    async def test_a_bug_of_a_route_shows_none_either(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("qmd_daemon.serve.answers.json", lambda _: 1 / 0)
        with capture_logs():
            status, body = await web.get("/health")
        assert (status, body["error"]["code"]) == (500, "internal")


class TestStrangers:
    @pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:18765", "[::1]:1", "LOCALHOST"])
    async def test_this_machine_by_its_own_names(self, web: Web, host: str) -> None:
        assert (await web.get("/health", Host=host))[0] == 200

    @pytest.mark.parametrize(
        "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil:1", "[::1", "", "10.0.0.1"]
    )
    async def test_another_host_is_refused(self, web: Web, host: str) -> None:
        status, body = await web.get("/health", Host=host)
        assert (status, body["error"]["code"]) == (403, "forbidden")

    @pytest.mark.parametrize(
        ("origin", "status"),
        [
            ("http://localhost:3000", 200),
            ("http://127.0.0.1", 200),
            ("https://evil.example", 403),
            ("null", 403),
            ("", 403),
        ],
    )
    async def test_web_pages(self, web: Web, origin: str, status: int) -> None:
        assert (await web.get("/health", Origin=origin))[0] == status


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-site", 403), ("none", 200)])
async def test_pages_that_load_something_from_here_as_an_image(web: Web, site: str, status: int) -> None:
    assert (await web.get("/status", **{"Sec-Fetch-Site": site}))[0] == status


async def test_status_and_documents_are_read_from_the_url(web: Web, work: Any) -> None:
    assert (await web.get("/status?index=other"))[0] == 200
    assert (await web.get("/documents/%23abc123?from_line=3"))[0] == 200
    assert (await web.get("/documents/notes/a.md"))[0] == 200
    assert (await web.get("/documents/a?form_line=3"))[0] == 422
    assert unnamed(work.requests) == [Status(index="other"), Get(ref="#abc123", from_line=3), Get(ref="notes/a.md")]


async def test_a_client_that_goes_away_cancels_its_request(
    dispatcher: Dispatcher, lifecycle: Lifecycle, work: Any
) -> None:
    work.endless = (Search,)
    async with Http(CONFIG, dispatcher, lifecycle, lambda: ENGINE, grants=NOBODY) as http:
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            asking = group.create_task(Web(session, http.address).post("/search", {"query": "a"}))
            await work.waiting.wait()
            asking.cancel()
        async with asyncio.timeout(10):
            await work.cancelled.wait()


class TestAddress:
    async def test_a_taken_port(self, web: Web, dispatcher: Dispatcher, lifecycle: Lifecycle) -> None:
        port = int(web.address.rpartition(":")[2])
        with pytest.raises(PortTaken, match=str(port)):
            async with Http(HttpConfig(port=port), dispatcher, lifecycle, lambda: ENGINE, grants=NOBODY):
                pass

    @pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org"])
    async def test_only_loopback(self, dispatcher: Dispatcher, lifecycle: Lifecycle, host: str) -> None:
        with pytest.raises(QmdError) as caught:
            async with Http(HttpConfig(host=host, port=0), dispatcher, lifecycle, lambda: ENGINE, grants=NOBODY):
                pass
        assert caught.value.code == "invalid"
