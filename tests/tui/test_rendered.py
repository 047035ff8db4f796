"""Markdown as it reads."""

from __future__ import annotations

import re

from rich.style import Style

from ipc.protocol import DocumentReply
from qmd_tui.widgets.rendered import RenderedPage

TEXT = """---
tags: gpu
---
# Backups

Run **the tool** every night, and look
at what it says.

- first 显存
- second

```sh
tool --all
```

| a | b |
| --- | --- |
| 1 | 2 |
"""


def page(text: str = TEXT, pattern: str = "tool", first: int = 1) -> RenderedPage:
    document = DocumentReply(
        docid="#1", file="qmd://n/a.md", collection="n", path="a.md", title="", text=text, first_line=first,
        total_lines=100,
    )  # fmt: skip
    return RenderedPage(document, 40, re.compile(pattern), {"markdown.h1": "bold"}, dark=True)


def shown(page: RenderedPage) -> str:
    return "\n".join(row.text.rstrip() for row in page.rows)


def test_it_reads_as_text_and_front_matter_is_none() -> None:
    text = shown(page())
    assert "tags" not in text
    assert "**" not in text
    assert "Run the tool every night" in text
    assert "• first 显存" in text
    assert "─" in text


def test_each_row_knows_the_line_of_its_block() -> None:
    found = page(first=11)
    row = next(number for number, row in enumerate(found.rows) if "Run the tool" in row.text)
    assert found.line_of(row) == 11 + 5
    assert found.row_of(16) == row
    assert found.row_of(17) == row
    assert found.first == 11
    assert found.last == 11 + 17
    assert found.has_before
    assert found.has_after


def test_matches_are_found_in_what_is_shown() -> None:
    found = page()
    texts = [found.rows[row].text for row in found.match_rows()]
    assert ["tool" in text for text in texts] == [True, True]
    assert found.row_of_match(1) == found.match_rows()[0]
    bold = Style(bold=True)
    segments = found.body(found.match_rows()[0], Style(), lambda _: bold)
    assert [s.text for s in segments if s.style is not None and s.style.bold and "tool" in s.text] == ["tool"]


def test_hostile_markdown_reaches_no_terminal() -> None:
    text = shown(page("# a\x1b]0;x\x07b\n\n[l\u202e](x)\n\n<script>\x9b</script>\n"))
    assert not any((ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 or c == "\u202e" for c in text)


def test_an_empty_document_has_a_row() -> None:
    assert shown(page("", first=1)) == ""
    assert page("").row_of(7) == 0
