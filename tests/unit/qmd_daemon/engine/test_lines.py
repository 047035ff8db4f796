from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.engine.lines import ask, clean, distinct
from qmd_daemon.engine.model import Line

KINDS = st.sampled_from(["lex", "vec", "hyde"])


@given(st.builds(Line, KINDS, st.text()))
def test_a_line_is_one_line_without_control_characters(line: Line) -> None:
    text = clean(line)
    assert text == " ".join(text.split())
    assert text.isprintable() or not text
    assert clean(Line(line.kind, text)) == text


@given(st.text())
def test_words_are_never_operators(text: str) -> None:
    words = clean(Line("lex", text)).split()
    assert not any(word.startswith("-") or '"' in word for word in words)
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (Line("lex", "lex: reboot, machine; -restart"), "reboot machine restart"),
        (Line("vec", '"How is the server started again?"'), "How is the server started again?"),
        (Line("hyde", "1. Run systemctl restart.\x1b[31m"), "Run systemctl restart. [31m"),
        (Line("lex", "关键词：重启、服务器，重启"), "重启 服务器"),
        (Line("vec", "  \n "), ""),
    ],
)
def test_what_models_write_around_a_line_goes(line: Line, expected: str) -> None:
    assert clean(line) == expected


def test_what_says_nothing_new_or_in_another_language_is_left_out() -> None:
    lines = [
        Line("vec", "Restart the server?"),
        Line("lex", "reboot machine"),
        Line("vec", "Reboot  machine."),
        Line("vec", "如何重启"),
        Line("hyde", "Run systemctl restart."),
    ]
    assert distinct("restart the server", lines) == [lines[1], lines[4]]
    assert distinct("重启服务器", lines) == [lines[3]]


def test_a_model_is_asked_in_the_language_of_the_query() -> None:
    assert ask("lex", "重启服务器", 0).endswith("查询：重启服务器")
    assert ask("lex", "restart {query}", 0).endswith("Query: restart {query}")
    assert "Query: サーバーの再起動" in ask("vec", "サーバーの再起動", 0)
    assert ask("lex", "q", 0) != ask("lex", "q", 1)
