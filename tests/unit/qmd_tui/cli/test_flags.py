import argparse
import json
from typing import Any

import pytest

from ipc.protocol import MAX_TOP_K
from qmd_tui.cli import flags
from qmd_tui.cli.parser import Parser

HIT = {"docid": "#a1b2c3", "file": "qmd://n/a.md", "title": "A", "line": 1, "score": 0.5, "snippet": "a"}
STAGE = {"name": "lexical", "ran": True, "ms": 1.0, "count": 1, "reason": ""}


def parse(*argv: str) -> argparse.Namespace:
    parser = Parser(prog="qmd search")
    flags.add_search_arguments(parser)
    return parser.parse(argv)


def reply(*hits: dict[str, Any], notes: list[str] | None = None) -> dict[str, Any]:
    return {"results": list(hits), "notes": notes or [], "stages": [STAGE], "stage": "lexical"}


def test_the_limit_is_the_protocols() -> None:
    assert flags.RESULTS_MAX == MAX_TOP_K


@pytest.mark.parametrize(
    ("argv", "expected"), [(["a"], 5), (["a", "--json"], 20), (["a", "-n", "7"], 7), (["a", "--json", "-n", "1"], 1)]
)
def test_top_k(argv: list[str], expected: int) -> None:
    assert flags.top_k(parse(*argv)) == expected


def test_collections_add_up_and_words_after_two_dashes_are_words() -> None:
    args = parse("-c", "a", "--collection", "b", "--", "-not", "this")
    assert args.collection == ["a", "b"]
    assert args.query == ["-not", "this"]


def test_hits(capsys: pytest.CaptureFixture[str]) -> None:
    assert flags.show(reply(HIT), parse("a")) == 0
    assert capsys.readouterr() == ("qmd://n/a.md:1 #a1b2c3 50%\nA\n  1 │ a\n", "")


@pytest.mark.parametrize(
    ("argv", "message"),
    [(["a"], "No results found.\n"), (["a", "--min-score", "2"], "No results found above minimum score threshold.\n")],
)
def test_no_hits(capsys: pytest.CaptureFixture[str], argv: list[str], message: str) -> None:
    assert flags.show(reply(), parse(*argv)) == 1
    assert capsys.readouterr() == ("", message)


def test_no_hits_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert flags.show(reply(), parse("a", "--json")) == 1
    assert capsys.readouterr() == ("[]\n", "")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert flags.show(reply(HIT), parse("a", "--json")) == 0
    assert json.loads(capsys.readouterr().out)[0]["docid"] == "#a1b2c3"


def test_notes_and_stages_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert flags.show(reply(HIT, notes=["There is no model."]), parse("a", "--explain")) == 0
    assert capsys.readouterr().err == "qmd: There is no model.\nqmd: lexical 1 in 1.0 ms\n"
