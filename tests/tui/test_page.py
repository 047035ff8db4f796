"""A window of a document in rows."""

from __future__ import annotations

import re
import time

from ipc.protocol import DocumentReply
from qmd_tui.widgets.page import Page


def reply(text: str, first_line: int = 1, total_lines: int | None = None) -> DocumentReply:
    total = text.count("\n") + 1 if total_lines is None else total_lines
    return DocumentReply(
        docid="#1", file="f", collection="c", path="p", title="t", text=text, first_line=first_line, total_lines=total
    )


def rows(page: Page) -> list[str]:
    return [page.text(row)[0] for row in page.rows]


def test_lines_keep_their_numbers_when_they_are_folded() -> None:
    page = Page(reply("one\n" + "long words " * 3 + "\nthree", first_line=10, total_lines=100), 20)
    assert rows(page) == ["one", "long words long ", "words long words ", "three"]
    assert [page.line_of(row) for row in range(4)] == [10, 11, 11, 12]
    assert [page.row_of(line) for line in (1, 10, 11, 12, 99)] == [0, 0, 1, 3, 3]
    assert page.has_before
    assert page.has_after


def test_the_row_of_a_match_is_the_one_that_it_is_in() -> None:
    page = Page(reply("one\n" + "x " * 30 + "here " + "x " * 30), 20, re.compile("here"))
    row = page.row_of_match(2)
    assert "here" in page.text(page.rows[row])[0]
    assert page.row_of_match(1) == 0


def test_line_ends_and_tabs_and_controls() -> None:
    assert rows(Page(reply("a\r\n\tb\r\nc\x1bd\n"), 40)) == ["a", "    b", "c␛d"]


def test_an_empty_document_has_one_empty_row() -> None:
    page = Page(reply(""), 40)
    assert rows(page) == [""]
    assert page.line_of(0) == 1


def test_a_line_without_an_end_is_cut() -> None:
    page = Page(reply("x" * 10_000_000), 80)
    assert sum(map(len, rows(page))) < 2_000
    assert rows(page)[-1].endswith("…")


def test_a_window_of_long_chinese_lines_is_laid_out_soon() -> None:
    text = "\n".join("这是一个关于向量检索的测试文档" * 200 for _ in range(401))
    start = time.process_time()
    Page(reply(text), 60)
    assert time.process_time() - start < 5.0  # a backstop: it takes a fifth of a second
