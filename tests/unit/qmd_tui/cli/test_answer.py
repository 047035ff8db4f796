import json
from typing import Any

import pytest

from ipc.paths import Paths
from qmd_daemon import offline
from qmd_tui.cli import answer, flags
from qmd_tui.cli.parser import Parser

HIT = {
    "docid": "#a1b2c3", "file": "qmd://n/a.md", "title": "A", "line": 1, "score": 0.5, "snippet": "a", "context": ""
}  # fmt: skip
STAGE = {"name": "lexical", "ran": True, "ms": 1.0, "count": 1, "reason": ""}


def show(shown: dict[str, Any], *argv: str) -> int:
    parser = Parser(prog="qmd search")
    parser.set_defaults(index="index", connect="")
    flags.add_search_arguments(parser)
    return answer.show(shown, parser.parse(argv), Paths.from_environment({}))


def reply(*hits: dict[str, Any], notes: list[str] | None = None) -> dict[str, Any]:
    return {"results": list(hits), "notes": notes or [], "stages": [STAGE], "stage": "lexical"}


def test_hits(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(reply(HIT), "a") == 0
    assert capsys.readouterr() == ("qmd://n/a.md:1 #a1b2c3 50%\nA\n  1 │ a\n", "")


@pytest.mark.parametrize(
    ("argv", "message"),
    [(["a"], "No results found.\n"), (["a", "--min-score", "2"], "No results found above minimum score threshold.\n")],
)
def test_no_hits(capsys: pytest.CaptureFixture[str], argv: list[str], message: str) -> None:
    assert show(reply(), *argv) == 1
    assert capsys.readouterr() == ("", message)


def test_no_hits_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(reply(), "a", "--json") == 1
    assert capsys.readouterr() == ("[]\n", "")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(reply(HIT), "a", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["docid"] == "#a1b2c3"


def test_notes_and_stages_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert show(reply(HIT, notes=["There is no model."]), "a", "--explain") == 0
    assert capsys.readouterr().err == "qmd: There is no model.\nqmd: lexical 1 in 1.0 ms\n"


def test_a_whole_text_is_read_from_the_index(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def complete(_: Paths, hits: list[dict[str, Any]], *, bodies: bool, index: str) -> list[dict[str, Any]]:
        asked.append((bodies, index))
        return [{**hit, "body": "one\ntwo\n", "location": "/nowhere/a.md"} for hit in hits]

    monkeypatch.setattr(offline, "complete", complete)
    assert show(reply(HIT), "a", "--full", "--json", "--line-numbers") == 0
    assert json.loads(capsys.readouterr().out)[0]["body"] == "1: one\n2: two"
    assert show(reply(HIT), "a", "--full-path", "--files") == 0
    assert capsys.readouterr() == (
        "#a1b2c3,0.50,qmd://n/a.md\n",
        "qmd: qmd://n/a.md has no file any more; it is named by its address.\n",
    )
    assert asked == [(True, "index"), (False, "index")]
