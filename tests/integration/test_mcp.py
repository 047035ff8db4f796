"""`qmd mcp` as an agent has it: the protocol's own client on the other end of the pipes, a real daemon behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pexpect
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult, TextResourceContents

from ipc.launch import find_daemon
from ipc.paths import Paths
from tests.conftest import WaitUntil
from tests.integration.program import QMD, Qmd

pytestmark = pytest.mark.xdist_group("mcp")
LONG = "\n".join(f"Line {number} of a long document about wombats." for number in range(1, 2001))
FILES = {
    "notes/gpu.md": "# GPU 显存监控\n\n用 pynvml 读取每张显卡的显存占用。\n\n温度也一样。\n",
    "notes/meeting.md": "# Team meeting\n\nWe agreed on authentication with tokens.\n",
    "notes/a b.md": "# Spaces\n\nA name with a space.\n",
    "long.md": LONG,
}
ERAS = ("auto", "legacy")


@pytest.fixture(scope="module")
def qmd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qmd]:
    program = Qmd(tmp_path_factory.mktemp("mcp"), FILES)
    program.ok("collection", "add", str(program.fixtures), "--name", "mine")
    program.ok("context", "add", "qmd://mine", "What I know about 显卡")
    yield program
    program.ok("stop")


@asynccontextmanager
async def session(qmd: Qmd, mode: str = "auto", cwd: Path | None = None, **env: str) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(
        command=QMD[0], args=[*QMD[1:], "mcp"], env={**qmd.env, **env}, cwd=str(cwd or qmd.fixtures)
    )
    async with Client(stdio_client(parameters), mode=mode) as client:
        yield client


def text(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if part.type == "text")


async def call(client: Client, tool: str, **arguments: Any) -> str:
    """What a tool says, when it is no error."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text(result)
    return text(result)


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return text(result)


def log(qmd: Qmd) -> list[dict[str, Any]]:
    """The lines of the daemon's log."""
    with open(Paths.from_environment(qmd.env).log_file, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@pytest.mark.parametrize("mode", ERAS)
async def test_hello(qmd: Qmd, mode: str) -> None:
    async with session(qmd, mode) as client:
        assert client.instructions is not None
        assert "- mine (4 documents): What I know about 显卡" in client.instructions
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == ["query", "get", "multi_get", "status"]
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
        templates = (await client.list_resource_templates()).resource_templates
        assert [template.uri_template for template in templates] == ["qmd://{+path}"]


@pytest.mark.parametrize("mode", ERAS)
async def test_a_question_in_chinese(qmd: Qmd, mode: str) -> None:
    async with session(qmd, mode) as client:
        result = await client.call_tool("query", {"query": "显存占用", "top_k": 1})
        row = result.structured_content["results"][0]
        assert row["file"] == "qmd://mine/notes/gpu.md"
        assert (row["line"], row["title"], row["context"]) == (3, "GPU 显存监控", "What I know about 显卡")
        assert "用 pynvml 读取每张显卡的显存占用。" in row["snippet"]
        assert text(result).startswith(f"1. qmd://mine/notes/gpu.md:3 {row['docid']} ")
        shown = await call(client, "get", ref=row["docid"], from_line=row["line"], max_lines=1)
        assert shown == (
            f"qmd://mine/notes/gpu.md {row['docid']} lines 3-3 of 5\n(What I know about 显卡)\n"
            "3: 用 pynvml 读取每张显卡的显存占用。\n(more: from_line=4)"
        )


async def test_what_tobi_qmd_calls_otherwise(qmd: Qmd) -> None:
    async with session(qmd) as client:
        searches = [{"type": "lex", "query": "authentication"}]
        result = await client.call_tool("query", {"searches": searches, "limit": 1, "minScore": 0.1, "rerank": False})
        assert [row["file"] for row in result.structured_content["results"]] == ["qmd://mine/notes/meeting.md"]
        assert "3: We agreed" in await call(client, "get", file="mine/notes/meeting.md", fromLine=3)


async def test_a_long_document_is_read_in_parts(qmd: Qmd) -> None:
    async with session(qmd) as client:
        lines: list[str] = []
        going_on: str | None = "1"
        for _ in range(20):
            shown = await call(client, "get", ref="long.md", from_line=going_on, line_numbers=False)
            assert len(shown) < 20_500
            head, _context, *body = shown.split("\n")
            going_on = body.pop().partition("from_line=")[2].rstrip(")") if "(more:" in shown else None
            lines += body
            assert head.endswith(f"-{len(lines)} of 2000")
            if going_on is None:
                break
        assert lines == LONG.split("\n")


async def test_several_documents(qmd: Qmd) -> None:
    async with session(qmd) as client:
        shown = await call(client, "multi_get", pattern="notes/*.md", max_lines=1)
        assert [line for line in shown.splitlines() if line.startswith("1: ")] == [
            "1: # Spaces",
            "1: # GPU 显存监控",
            "1: # Team meeting",
        ]
        assert shown.count("get it with from_line=2") == 3
        shown = await call(client, "multi_get", pattern="notes/gpu.md, nowhere.md, long.md", max_bytes=100_000)
        assert "File not found: nowhere.md." in shown
        assert "more of 2000 lines" in shown
        assert len(shown) < 21_000
        assert "left out" in await call(client, "multi_get", pattern="long.md", max_bytes=100)


async def test_the_state(qmd: Qmd) -> None:
    async with session(qmd) as client:
        result = await client.call_tool("status", {})
        assert text(result).startswith("4 documents in 1 collections, 0 without vectors yet\n- mine (4 documents)")
        assert str(qmd.fixtures) not in result.model_dump_json()
        assert result.structured_content["collections"][0]["name"] == "mine"


MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    ("query", {"qury": "显存"}, "Did you mean `query`?"),
    ("query", {"query": "x", "colections": ["a"]}, "Did you mean `collections`?"),
    ("query", {"query": "x", "collections": ["nowhere"]}, "Collection not found: nowhere"),
    ("query", {"query": "x", "top_k": 0}, "$.top_k"),
    ("query", {"query": "x" * 20_000}, "length <= 10000"),
    ("query", {"query": "lex: a\nplain"}, "line"),
    ("query", {"query": "x", "searches": []}, "either `query` or `searches`"),
    ("query", {"searches": [{"type": "sql", "query": "x"}]}, "`searches` is a list"),
    ("query", {"query": "x", "after": "yesterday-ish"}, "yesterday-ish"),
    ("get", {"ref": "meting.md"}, "Did you mean qmd://mine/notes/meeting.md"),
    ("get", {}, "`ref`"),
    ("multi_get", {"pattern": "*.xyz"}, "No documents match"),
    ("status", {"verbose": True}, "verbose"),
    ("delete", {"ref": "x"}, "There is no tool 'delete'."),
]


async def test_mistakes_are_told_in_words(qmd: Qmd) -> None:
    async with session(qmd) as client:
        for tool, arguments, said in MISTAKES:
            message = await refused(client, tool, **arguments)
            assert said in message
            assert "Traceback" not in message
        assert await call(client, "get", ref="mine/notes/gpu.md"), "and the session goes on"


async def test_a_resource(qmd: Qmd) -> None:
    async with session(qmd) as client:
        for uri in ("qmd://mine/notes/a%20b.md", "qmd://mine/notes/a b.md"):
            contents = (await client.read_resource(uri)).contents[0]
            assert isinstance(contents, TextResourceContents)
            assert (contents.uri, contents.mime_type) == (uri, "text/markdown")
            assert contents.text == f"<!-- Context: What I know about 显卡 -->\n\n{FILES['notes/a b.md'].rstrip()}"
        with pytest.raises(MCPError, match=r"There is no document 'qmd://mine/nowhere\.md'"):
            await client.read_resource("qmd://mine/nowhere.md")


async def test_many_sessions_share_one_daemon(tmp_path: Path) -> None:
    qmd = Qmd(tmp_path, {"a.md": "# Quokkas\n"})
    (tmp_path / "home" / "config").mkdir(parents=True)
    (tmp_path / "home" / "config" / "index.yml").write_text(f"collections:\n  mine: {{path: {qmd.fixtures}}}\n")
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(session(qmd, ERAS[number % 2])) for number in range(4)]
        results = await asyncio.gather(*(call(client, "status") for client in clients for _ in range(5)))
        assert len(results) == 20
    assert find_daemon(Paths.from_environment(qmd.env)), "the last session's end is not the daemon's"
    assert [line["event"] for line in log(qmd)].count("daemon.ready") == 1
    qmd.ok("stop")


async def test_a_daemon_that_went_away_is_started_again(qmd: Qmd) -> None:
    async with session(qmd) as client:
        before = await call(client, "get", ref="mine/notes/gpu.md")
        qmd.ok("stop")
        assert await call(client, "get", ref="mine/notes/gpu.md") == before


async def test_a_daemon_that_cannot_start_is_told(tmp_path: Path) -> None:
    qmd = Qmd(tmp_path, {})
    (tmp_path / "home" / "config").mkdir(parents=True)
    (tmp_path / "home" / "config" / "config.toml").write_text("[engin]\n")
    async with session(qmd) as client:
        assert "Nothing is indexed yet" in (client.instructions or "")
        assert "engin" in await refused(client, "query", query="quokka")


async def test_a_project_has_its_own_index(qmd: Qmd, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# Thylacine\n")
    qmd.ok("init", cwd=tmp_path)
    qmd.ok("collection", "add", "docs", cwd=tmp_path)
    async with session(qmd, cwd=tmp_path / "docs") as client:
        assert "- docs (1 documents)" in (client.instructions or "")
        assert "Thylacine" in await call(client, "query", query="thylacine")


async def test_what_is_cancelled_is_cancelled_in_the_daemon(tmp_path: Path, wait_until: WaitUntil) -> None:
    qmd = Qmd(tmp_path, {"a.md": "# Quokkas\n"})
    qmd.ok("collection", "add", str(qmd.fixtures))
    qmd.ok("stop")
    qmd.env["QMD_FAKE_DELAY_MS"] = "60000"

    def engine() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(qmd.ok("status", "--json"))["daemon"]["engine"]
        return found

    def requests(code: str) -> list[dict[str, Any]]:
        lines = map(json.loads, Path(Paths.from_environment(qmd.env).log_file).read_text().splitlines())
        return [
            line for line in lines if line["event"] == "request.done" and (line["op"], line["code"]) == ("query", code)
        ]

    async with session(qmd) as client, asyncio.TaskGroup() as tasks:
        await call(client, "status")
        asking = tasks.create_task(client.call_tool("query", {"query": "vec: quokkas"}))
        await asyncio.to_thread(wait_until, lambda: engine()["queued"], "the question in the worker")
        assert requests("cancelled") == []
        asking.cancel()
        await asyncio.to_thread(wait_until, lambda: requests("cancelled"), "the request's end")
        assert "# Quokkas" in await call(client, "get", ref="a.md")
    await asyncio.to_thread(qmd.ok, "stop")


# -- the pipe itself -------------------------------------------------------------------------


def raw(qmd: Qmd, *lines: str) -> subprocess.CompletedProcess[str]:
    """What the program answers to these lines, and to the end of its input."""
    return subprocess.run(
        [*QMD, "mcp"],
        env=qmd.env,
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


HELLO = json.dumps({
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
})  # fmt: skip
READY = '{"jsonrpc": "2.0", "method": "notifications/initialized"}'


def test_the_end_of_the_input_is_the_end(qmd: Qmd) -> None:
    done = raw(qmd)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = raw(qmd, HELLO, READY)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, [answer["id"] for answer in answers]) == (0, [1])
    assert answers[0]["result"]["protocolVersion"] == "2025-06-18"


def test_nothing_but_the_protocol_is_written(qmd: Qmd) -> None:
    """Also where the daemon has to be started, and what comes is no protocol."""
    qmd.ok("stop")
    asked = '{"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "status", "arguments": {}}}'
    with subprocess.Popen(
        [*QMD, "mcp"], env=qmd.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin
        assert program.stdout
        assert program.stderr
        for line in (HELLO, READY, "no json", '{"jsonrpc": "2.0"}', "[]", "\x00\xff", asked):
            program.stdin.write(f"{line}\n")
            program.stdin.flush()
        answers = []
        while not answers or answers[-1].get("id") != 2:
            answers.append(json.loads(program.stdout.readline()))
        program.stdin.close()
        assert program.stdout.read() == ""
        assert program.wait(30) == 0
        assert "Traceback" not in program.stderr.read()
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)
    assert "4 documents" in answers[-1]["result"]["content"][0]["text"]


def test_a_person_who_tries_it_gets_out(qmd: Qmd) -> None:
    terminal = pexpect.spawn(QMD[0], [*QMD[1:], "mcp"], env=qmd.env, encoding="utf-8", timeout=30)
    terminal.expect_exact("Ctrl+C ends it")
    terminal.sendline(HELLO)
    terminal.expect_exact('"serverInfo"')
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.signalstatus == signal.SIGINT


def test_an_agent_that_has_gone_is_no_failure_to_report(qmd: Qmd) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(
        [*QMD, "mcp"], env=qmd.env, stdin=subprocess.PIPE, stdout=writing, stderr=subprocess.PIPE, text=True
    ) as program:
        os.close(writing)
        _, stderr = program.communicate(f"{HELLO}\n{READY}\n", timeout=60)
    assert "Traceback" not in stderr


@pytest.mark.parametrize(("argv", "hint"), [(["stop"], "qmd stop"), (["--http"], "/mcp"), (["--port", "1"], "/mcp")])
def test_its_flags_of_tobi_qmd_say_what_to_do_instead(qmd: Qmd, argv: list[str], hint: str) -> None:
    done = qmd("mcp", *argv)
    assert (done.returncode, done.stdout) == (2, "")
    assert hint in done.stderr
