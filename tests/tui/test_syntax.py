from __future__ import annotations

import pytest

from qmd_tui.widgets.syntax import Syntax


def kinds(lines: list[str], path: str) -> list[list[tuple[str, str]]]:
    syntax = Syntax(lines, path)
    return [[(line[a:b], kind) for a, b, kind in syntax.line(index)] for index, line in enumerate(lines)]


def test_code_is_told_apart() -> None:
    found = kinds(["def f(x):  # why", "    return '显存'"], "a/b.py")
    assert ("def", "keyword") in found[0]
    assert ("f", "name") in found[0]
    assert ("# why", "comment") in found[0]
    assert ("return", "keyword") in found[1]
    assert "显存" in "".join(text for text, kind in found[1] if kind == "string")


def test_a_string_over_lines_is_one() -> None:
    found = kinds(['x = """one', "two", 'three"""', "y = 1"], "a.py")
    assert found[1] == [("two", "string")]
    assert ("1", "number") in found[3]


def test_markdown_by_its_lines() -> None:
    found = kinds(["# 标题", "text `code` more", "> said", "#tag"], "a.md")
    assert found == [[("# 标题", "heading")], [("`code`", "string")], [("> said", "comment")], []]


@pytest.mark.parametrize("path", ["a.txt", "a", "a.unknown", ""])
def test_what_is_no_code_stays_plain(path: str) -> None:
    assert kinds(["def f():"], path) == [[]]


def test_lines_may_be_asked_for_in_any_order_and_past_the_end_of_the_code() -> None:
    syntax = Syntax(["x = 1", "", "y = 2", ""], "a.py")
    assert syntax.line(2) == [(4, 5, "number")]
    assert syntax.line(0) == [(4, 5, "number")]
    assert syntax.line(3) == []
