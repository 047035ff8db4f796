import io
import json
from typing import Self

import pytest

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import EmbedReply
from qmd_tui.cli import daemon, rerank
from qmd_tui.cli.parser import Parser
from tests.unit.qmd_tui.cli.test_ask import ENDPOINT

VECTORS = {"question": [1.0, 0.0], "near": [0.9, 0.1], "far": [0.0, 1.0], "against": [-1.0, 0.0]}


class FakeClient:
    """Knows the vectors of a few words, and what it was asked."""

    def __init__(self, *_: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def call(self, request: object, _: object, *, timeout_s: float) -> EmbedReply:
        texts = request.texts
        ASKED.append((request.kind, texts))
        return EmbedReply(embeddings=[VECTORS[text] for text in texts], count=len(texts), dimension=2, model="fake")


ASKED: list[tuple[str, list[str]]] = []


@pytest.fixture(autouse=True)
def _daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    ASKED.clear()
    monkeypatch.setattr(rerank, "SyncClient", FakeClient)
    monkeypatch.setattr(daemon, "ensure", lambda _: ENDPOINT)


def run(monkeypatch: pytest.MonkeyPatch, text: str, *argv: str) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    parser = Parser(prog="qmd rerank")
    parser.set_defaults(connect="")
    rerank.add_arguments(parser)
    return rerank.run(parser.parse(["question", *argv]), Paths.from_environment({}))


def test_lines_come_in_the_order_of_their_meaning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = "a b/c.py:3:  far\n\x1b[35md.py\x1b[0m:9:1: near\r\n\n   \nagainst\nnear\n"
    assert run(monkeypatch, lines) == 0
    assert capsys.readouterr() == ("d.py:9:1: near\nnear\na b/c.py:3:  far\nagainst\n", "")
    assert ASKED == [("query", ["question"]), ("document", ["far", "near", "against"])]


def test_the_best_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "far\nnear\n", "-n", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out) == [{"score": 0.9, "line": "near"}]


@pytest.mark.parametrize(("text", "argv"), [("", []), ("far\n", ["--min-score", "0.5"])])
def test_nothing_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, argv: list[str]
) -> None:
    assert run(monkeypatch, text, *argv) == 1
    assert capsys.readouterr().out == ""


def test_more_lines_than_one_request_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rerank, "MAX_TEXTS", 2)
    monkeypatch.setattr(rerank, "MAX_LINES", 3)
    assert run(monkeypatch, "far\nnear\nagainst\nquestion\n") == 0
    assert [texts for _, texts in ASKED[1:]] == [["far", "near"], ["against"]]


def test_what_is_not_utf8_is_a_line_like_any_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rerank, "_LINE_CHARS", 12)
    monkeypatch.setitem(VECTORS, "\ufffd", [0.5, 0.0])
    monkeypatch.setattr(
        "sys.stdin", io.TextIOWrapper(io.BytesIO(b"a.md:1: \xff\nnear\n" + b" " * 30 + b"far\n"), "utf-8")
    )
    monkeypatch.setitem(VECTORS, "      far", [0.0, 1.0])
    parser = Parser(prog="qmd rerank")
    parser.set_defaults(connect="")
    rerank.add_arguments(parser)
    assert rerank.run(parser.parse(["question"]), Paths.from_environment({})) == 0
    assert capsys.readouterr().out == "near\na.md:1: \ufffd\n      far\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_no_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    parser = Parser(prog="qmd rerank")
    parser.set_defaults(connect="")
    rerank.add_arguments(parser)
    with pytest.raises(QmdError, match="standard input"):
        rerank.run(parser.parse(["question"]), Paths.from_environment({}))
