from __future__ import annotations

import pytest

from qmd_tui.query import Asked, read, suggestion


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("gpu memory", Asked("gpu memory")),
        ("gpu -c notes memory -c work -c notes", Asked("gpu  memory", ("notes", "work"))),
        ("-c notes 显存监控", Asked("显存监控", ("notes",))),
        ("gpu -c", Asked("gpu -c")),
        ("x-c notes", Asked("x-c notes")),
        ("gpu intent: the daemon", Asked("gpu", (), "the daemon")),
        ("lex: ctranslate2 vec: how are batches cut", Asked("lex: ctranslate2\nvec: how are batches cut")),
        ("lex: a -c notes intent: b", Asked("lex: a\nintent: b", ("notes",))),
        ("a vec: b", Asked("a vec: b")),  # what is wrong with it, the daemon says
        ("", Asked("")),
    ],
)
def test_a_line_is_taken_apart(text: str, asked: Asked) -> None:
    assert read(text) == asked


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ("le", "lex:"),
        ("l", None),
        ("lex: a ve", "lex: a vec:"),
        ("tea inte", "tea intent:"),
        ("tea ve", None),
        ("tea -c n", "tea -c notes"),
        ("tea -c notes", None),
        ("tea -c x", None),
        ("how do", "how do we restore"),
        ("", None),
    ],
)
def test_it_is_completed(text: str, completed: str | None) -> None:
    assert suggestion(text, ["notes", "work"], ["how do I", "how do we restore"]) == completed
