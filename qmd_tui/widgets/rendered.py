"""A window of a Markdown document as it reads, in rows of a given width. Pure: knows no widget.

Each top-level block is rendered by itself, so that every row knows the lines that it comes from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from io import StringIO
from typing import NamedTuple

from markdown_it import MarkdownIt
from rich.console import Console
from rich.markdown import Markdown
from rich.segment import Segment
from rich.style import Style
from rich.theme import Theme

from ipc.protocol import DocumentReply
from qmd_tui.widgets.text import Range, layered, visible

_FRONT_MATTER = re.compile(r"---\n.*?\n(?:---|\.\.\.)(?:\n|\Z)", re.DOTALL)


class Row(NamedTuple):
    """`line`: of the document (from 1), where the block begins that the row belongs to."""

    line: int
    segments: tuple[Segment, ...]
    text: str


class RenderedPage:
    """Has what a `Page` has for whoever scrolls: rows, and which lines they are."""

    gutter = 2

    def __init__(
        self,
        document: DocumentReply,
        width: int,
        pattern: re.Pattern[str] | None,
        styles: dict[str, str],
        *,
        dark: bool,
    ) -> None:
        """`styles`: of rich's Markdown elements, in the colours of the theme."""
        self.document = document
        self.first = document.first_line
        self.total = document.total_lines
        self.pattern = pattern
        source = document.text.removesuffix("\n")
        self.last = self.first + source.count("\n")
        console = Console(
            width=max(width - self.gutter, 8),
            file=StringIO(),
            force_terminal=True,
            color_system="truecolor",
            theme=Theme(styles),
            legacy_windows=False,
        )
        code = "ansi_dark" if dark else "ansi_light"
        self.rows = list(_rows(console, source, self.first, code)) or [Row(self.first, (), "")]

    @property
    def has_before(self) -> bool:
        return self.first > 1

    @property
    def has_after(self) -> bool:
        return self.last < self.total

    def line_of(self, row: int) -> int:
        return self.rows[min(max(row, 0), len(self.rows) - 1)].line

    def row_of(self, line: int) -> int:
        """The first row of the block that the line is in."""
        best = 0
        for number, row in enumerate(self.rows):
            if row.line > line:
                break
            if row.line > self.rows[best].line:
                best = number
        return best

    def row_of_match(self, line: int) -> int:
        """The first row with a match from the line's block on."""
        start = self.row_of(line)
        return next((row for row in self.match_rows() if row >= start), start)

    def match_rows(self) -> list[int]:
        return [number for number, row in enumerate(self.rows) if self.matches(row.text)]

    def matches(self, text: str) -> list[Range]:
        return [found.span() for found in self.pattern.finditer(text)] if self.pattern is not None else []

    def number(self, row_number: int) -> str:
        return ""  # a block has many lines; the gutter is for its mark

    def body(self, row_number: int, style: Style, look: Callable[[str], Style]) -> list[Segment]:
        """A row as it is drawn: what rich makes of it, and over that what matches."""
        row = self.rows[row_number]
        layers: list[tuple[int, int, Style]] = []
        at = 0
        for text, own, _ in row.segments:
            if own is not None:
                layers.append((at, at + len(text), own))
            at += len(text)
        match = look("match")
        return layered(row.text, style, [*layers, *((a, b, match) for a, b in self.matches(row.text))])


def _rows(console: Console, source: str, first: int, code_theme: str) -> Iterator[Row]:
    lines = source.split("\n")
    for start, stop in _blocks(source, lines):
        text = "\n".join(visible(line.replace("\t", "    ")) for line in lines[start:stop])
        markdown = Markdown(text, code_theme=code_theme, hyperlinks=False)
        shown = console.render_lines(markdown, console.options, pad=False)
        for row in _without_blank_edges(shown):
            yield Row(first + start, tuple(row), "".join(segment.text for segment in row))
        yield Row(first + start, (), "")


def _blocks(source: str, lines: list[str]) -> Iterator[Range]:
    """The lines [start, stop) of each top-level block. Front matter is no text, and left out."""
    begin = 0
    if found := _FRONT_MATTER.match(source):
        begin = found.group().count("\n")
    tokens = MarkdownIt("commonmark").enable("table").parse("\n".join(lines[begin:]))
    for token in tokens:
        if token.level == 0 and token.map is not None and token.nesting >= 0:
            yield begin + token.map[0], begin + token.map[1]


def _without_blank_edges(rows: Iterable[list[Segment]]) -> list[list[Segment]]:
    kept = list(rows)
    while kept and not "".join(segment.text for segment in kept[0]).strip():
        kept.pop(0)
    while kept and not "".join(segment.text for segment in kept[-1]).strip():
        kept.pop()
    return kept
