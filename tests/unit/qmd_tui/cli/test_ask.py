import contextlib
import json
from collections.abc import Iterator
from typing import Any, Self

import pytest

from ipc.errors import QmdError
from ipc.launch import Endpoint
from ipc.paths import Paths
from ipc.protocol import EngineStatus, IndexStatus, Query, Request, StatusReply, VSearch
from qmd_tui.cli import ask, daemon
from qmd_tui.cli.parser import Parser

ENDPOINT = Endpoint("ipc://nowhere", "ipc://nowhere", 1, "")
HIT = {"docid": "#a1b2c3", "file": "qmd://n/a.md", "title": "A", "line": 1, "score": 0.5, "snippet": "a", "context": ""}
NONE: dict[str, Any] = {"results": [], "stages": [], "notes": []}


class FakeClient:
    def __init__(self, reply: dict[str, Any]) -> None:
        self.reply = reply
        self.requests: list[Request] = []

    def __call__(self, *_: object) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def call_raw(self, request: Request, *, timeout_s: float) -> dict[str, Any]:
        assert timeout_s == daemon.ANSWER_S
        self.requests.append(request)
        return self.reply


def run(monkeypatch: pytest.MonkeyPatch, client: FakeClient, command: str, *argv: str) -> int:
    monkeypatch.setattr(ask, "SyncClient", client)
    monkeypatch.setattr(daemon, "ensure", lambda _: ENDPOINT)
    parser = Parser(prog=f"qmd {command}")
    parser.set_defaults(command=command, index="work", connect="")
    ask.add_arguments(parser)
    return ask.run(parser.parse(argv), Paths.from_environment({}))


@pytest.mark.parametrize(("command", "kind"), [("vsearch", VSearch), ("query", Query)])
def test_what_is_asked(monkeypatch: pytest.MonkeyPatch, command: str, kind: type[VSearch | Query]) -> None:
    client = FakeClient(NONE)
    assert run(monkeypatch, client, command, "GPU", "显存", "-n", "3", "-c", "a", "--min-score", "0.2") == 1
    assert client.requests == [kind(query="GPU 显存", top_k=3, collections=["a"], min_score=0.2, index="work")]


def test_what_is_answered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, FakeClient(NONE | {"results": [HIT]}), "query", "a", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["file"] == "qmd://n/a.md"


# -- what is waited for ----------------------------------------------------------------------


class SlowDaemon:
    """Answers a status; the one who asked waits until it has been asked."""

    def __init__(self, engine: EngineStatus | QmdError) -> None:
        self.engine = engine

    def __call__(self, *_: object) -> "contextlib.AbstractContextManager[SlowDaemon]":
        return contextlib.nullcontext(self)

    def call(self, *_: Any, **__: Any) -> StatusReply:
        if isinstance(self.engine, QmdError):
            raise self.engine
        index = IndexStatus(name="index", path="")
        return StatusReply(version="", protocol=1, pid=1, uptime_s=0, index=index, engine=self.engine)


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    def wait(engine: EngineStatus | QmdError) -> str:
        monkeypatch.setattr(daemon, "SyncClient", SlowDaemon(engine))
        monkeypatch.setattr(daemon, "_SLOW_S", 0.0)
        with daemon.patience(ENDPOINT) as timer:
            timer.finished.wait(10)
        return capsys.readouterr().err

    return wait


def test_a_slow_answer_says_that_the_model_loads(waited: Any) -> None:
    engine = EngineStatus(state="starting", engine="ct2", model="all-minilm-l6-v2")
    assert waited(engine) == "qmd: waiting for the model all-minilm-l6-v2 to load …\n"


@pytest.mark.parametrize("engine", [EngineStatus(state="ready", engine="ct2"), QmdError("unavailable", "Gone.")])
def test_a_slow_answer_for_another_reason_says_nothing(waited: Any, engine: EngineStatus | QmdError) -> None:
    assert waited(engine) == ""


def test_a_quick_answer_says_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(daemon, "_SLOW_S", 3600.0)
    with daemon.patience(ENDPOINT):
        pass
    assert capsys.readouterr().err == ""
