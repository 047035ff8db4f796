"""`POST /mcp`, asked by the protocol's own client, and by who does not keep to it."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from ipc.protocol import CollectionAdd
from qmd_daemon import grants
from tests.integration import corpus

ERAS = ("auto", "legacy")


@pytest.fixture(scope="module")
def daemon(shared_daemon: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    root = tmp_path_factory.mktemp("files")
    with shared_daemon.connect() as client:
        for name, text in (("notes", "显存监控用 pynvml。"), ("diary", "今天显存又满了。")):
            (root / name).mkdir()
            (root / name / f"{name}.md").write_text(f"# {name}\n\n{text}\n")
            corpus.finish(client, CollectionAdd(path=str(root / name), name=name))
    yield shared_daemon
    assert "Traceback" not in shared_daemon.log


@asynccontextmanager
async def session(daemon: Any, mode: str = "auto", path: str = "/mcp", **headers: str) -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(headers=headers) as connection:
        transport = streamable_http_client(f"{daemon.endpoint.http}{path}", http_client=connection)
        async with Client(transport, mode=mode) as client:
            yield client


def post(daemon: Any, body: str, method: str = "POST", **headers: str) -> tuple[int, Any]:
    place = urlsplit(daemon.endpoint.http)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
    usual = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    try:
        connection.request(method, "/mcp", body.encode(), usual | headers)
        answer = connection.getresponse()
        said = answer.read()
        return answer.status, json.loads(said) if said else None
    finally:
        connection.close()


@pytest.mark.parametrize("mode", ERAS)
async def test_a_session(daemon: Any, mode: str) -> None:
    async with session(daemon, mode) as client:
        assert "- notes (1 documents)" in (client.instructions or "")
        assert [tool.name for tool in (await client.list_tools()).tools] == ["query", "get", "multi_get", "status"]
        found = await client.call_tool("query", {"query": "显存监控", "collections": ["notes"]})
        assert [row["file"] for row in found.structured_content["results"]] == ["qmd://notes/notes.md"]
        several = await client.call_tool("multi_get", {"pattern": "**/*.md"})
        assert {"qmd://notes/notes.md", "qmd://diary/diary.md"} <= set(several.content[0].text.split())
        wrong = await client.call_tool("get", {"rf": "notes.md"})
        assert (wrong.is_error, "Did you mean `ref`?" in wrong.content[0].text) == (True, True)
        resource = await client.read_resource("qmd://notes/notes.md")
        assert "pynvml" in resource.contents[0].text


async def test_many_at_once(daemon: Any) -> None:
    async with session(daemon) as one, session(daemon, "legacy") as other:
        calls = [client.call_tool("query", {"query": f"显存 {n}"}) for n in range(15) for client in (one, other)]
        assert not any(result.is_error for result in await asyncio.gather(*calls))


async def test_another_index(daemon: Any) -> None:
    async with session(daemon, path="/mcp?index=other") as client:
        assert "Nothing is indexed yet" in (client.instructions or "")
    status, body = await asyncio.to_thread(post, daemon, "{}")
    assert status in {400, 422}
    assert body


async def test_a_token_for_one_collection(daemon: Any) -> None:
    _, token = grants.create(daemon.paths, "phone", collections=["notes"], read_only=True)
    async with session(daemon, Authorization=f"Bearer {token}") as client:
        assert "diary" not in (client.instructions or "")
        found = await client.call_tool("query", {"query": "显存"})
        assert [row["file"] for row in found.structured_content["results"]] == ["qmd://notes/notes.md"]
        for pattern in ("**/*.md", "notes.md, diary.md, dairy.md", "qmd://diary/*.md"):
            said = (await client.call_tool("multi_get", {"pattern": pattern})).content[0].text
            assert "满了" not in said
            assert "qmd://diary/diary.md" not in said
        for tool, arguments in (("get", {"ref": "diary.md"}), ("query", {"query": "x", "collections": ["diary"]})):
            assert (await client.call_tool(tool, arguments)).is_error
        assert "diary" not in (await client.call_tool("status", {})).content[0].text


HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
MODERN = {"MCP-Protocol-Version": "2026-07-28"}


def modern(method: str, **params: Any) -> str:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}})


def test_the_cases_of_the_protocol(daemon: Any) -> None:
    """Case 70 of tobi/qmd: headers that do not say what the body says, unknown versions, GET, no session id."""
    status, body = post(daemon, json.dumps(HELLO))
    assert (status, body["result"]["protocolVersion"]) == (200, "2025-11-25")
    later = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
    status, body = post(daemon, json.dumps(later), **{"MCP-Protocol-Version": "2025-11-25"})
    assert (status, len(body["result"]["tools"])) == (200, 4)

    status, body = post(daemon, modern("tools/list"), **MODERN)
    assert (status, body["error"]["code"]) == (400, -32020)
    named = MODERN | {"Mcp-Method": "tools/call", "Mcp-Name": "get"}
    status, body = post(daemon, modern("tools/call", name="status", arguments={}), **named)
    assert (status, body["error"]["code"]) == (400, -32020)
    status, body = post(
        daemon, modern("tools/list"), **{"MCP-Protocol-Version": "2099-01-01", "Mcp-Method": "tools/list"}
    )
    assert (status, body["error"]["code"]) == (400, -32020)
    unknown = modern("tools/list").replace("2026-07-28", "2099-01-01")
    status, body = post(daemon, unknown, **{"MCP-Protocol-Version": "2099-01-01", "Mcp-Method": "tools/list"})
    assert (status, body["error"]["code"]) == (400, -32022)
    status, body = post(daemon, modern("tools/list"), **MODERN, **{"Mcp-Method": "tools/list"})
    assert (status, body["result"]["ttlMs"]) == (200, 60_000)

    for method in ("GET", "DELETE"):
        assert post(daemon, "", method)[0] == 405


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}], ids=str)
def test_strangers_are_refused(daemon: Any, headers: dict[str, str]) -> None:
    status, body = post(daemon, json.dumps(HELLO), **headers)
    assert (status, body["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize("body", ["", "no json", "[]", "null", "{}", "没有协议", '{"jsonrpc": "2.0"}', "[" * 100_000])
def test_what_is_no_protocol_is_refused(daemon: Any, body: str) -> None:
    assert 400 <= post(daemon, body)[0] < 500
    assert 400 <= post(daemon, body, **MODERN)[0] < 500


def test_the_library_is_not_imported_before_somebody_asks(start_daemon: Any) -> None:
    daemon = start_daemon()
    daemon.wait_ready()
    maps = Path(f"/proc/{daemon.process.pid}/maps")
    assert "pydantic_core" not in maps.read_text()
    assert post(daemon, json.dumps(HELLO))[0] == 200
    assert "pydantic_core" in maps.read_text()
