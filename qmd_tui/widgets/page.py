"""A window of a document, laid out in rows of a given width. Pure: knows no widget."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style

from ipc.protocol import DocumentReply
from qmd_tui.widgets.syntax import Syntax
from qmd_tui.widgets.text import Range, fold, layered, visible

TAB = " " * 4
# A line of more characters is cut: a megabyte of minified code on one line is nothing to read.
_LONG_LINE = 20_000
# Where a window holds more than this, lines are cut much shorter, so that laying it out stays under a frame or two.
_LONG_WINDOW = 200_000
_SHORT_LINE = 1_000


class Row(NamedTuple):
    """The characters [start, stop) of a line; `line` counts from 0 within the window."""

    line: int
    start: int
    stop: int


class Page:
    """Lines `first` to `last` of a document of `total` lines, folded to `width` cells beside a gutter."""

    def __init__(self, document: DocumentReply, width: int, pattern: re.Pattern[str] | None = None) -> None:
        self.document = document
        self.first = document.first_line
        self.total = document.total_lines
        self._lines = _shown(document.text)
        self.last = self.first + len(self._lines) - 1
        self.gutter = len(str(max(self.last, 1))) + 2
        self.pattern = pattern
        self.rows: list[Row] = []
        self._starts: list[int] = []  # the first row of each line
        for index, text in enumerate(self._lines):
            self._starts.append(len(self.rows))
            self.rows += [Row(index, *part) for part in fold(text, width - self.gutter)]
        self._syntax: Syntax | None = None  # made when the first row is drawn

    @property
    def has_before(self) -> bool:
        return self.first > 1

    @property
    def has_after(self) -> bool:
        return self.last < self.total

    def line_of(self, row: int) -> int:
        """The line of the document (from 1) that a row belongs to."""
        return self.first + self.rows[min(max(row, 0), len(self.rows) - 1)].line

    def row_of(self, line: int) -> int:
        """The first row of a line; of the nearest one in the window."""
        return self._starts[self._index(line)]

    def row_of_match(self, line: int) -> int:
        """The row of the first match on a line; its first row where there is none."""
        index = self._index(line)
        row = self._starts[index]
        matches = self.matches(index)
        if not matches:
            return row
        return bisect.bisect_right(self.rows, Row(index, matches[0][0], len(self._lines[index]) + 1)) - 1

    def text(self, row: Row) -> tuple[str, list[Range]]:
        """What stands in a row, and the ranges of it that match."""
        matches = [(a - row.start, b - row.start) for a, b in self.matches(row.line)]
        return self._lines[row.line][row.start : row.stop], matches

    def number(self, row_number: int) -> str:
        """What stands in the gutter: the line's number, beside its first row."""
        row = self.rows[row_number]
        return str(self.first + row.line) if row.start == 0 else ""

    def body(self, row_number: int, style: Style, look: Callable[[str], Style]) -> list[Segment]:
        """A row as it is drawn; `look` gives the style of a kind of code, and of a "match"."""
        row = self.rows[row_number]
        text, matches = self.text(row)
        if self._syntax is None:
            self._syntax = Syntax(self._lines, self.document.path)
        layers = [
            (max(a, row.start) - row.start, min(b, row.stop) - row.start, look(kind))
            for a, b, kind in self._syntax.line(row.line)
            if a < row.stop and b > row.start
        ]
        match = look("match")
        return layered(text, style, [*layers, *((a, b, match) for a, b in matches)])

    def match_rows(self) -> list[int]:
        """The rows in which something matches."""
        every = [self.matches(index) for index in range(len(self._lines))]
        return [
            number
            for number, row in enumerate(self.rows)
            if any(a < row.stop and b > row.start for a, b in every[row.line])
        ]

    def matches(self, index: int) -> list[Range]:
        if self.pattern is None:
            return []
        return [found.span() for found in self.pattern.finditer(self._lines[index])]

    def _index(self, line: int) -> int:
        return min(max(line - self.first, 0), len(self._lines) - 1)


def _shown(text: str) -> list[str]:
    """The lines as they may go to the terminal; at least one."""
    limit = _LONG_LINE if len(text) <= _LONG_WINDOW else _SHORT_LINE
    lines = text.removesuffix("\n").split("\n")
    return [visible(_cut(line.removesuffix("\r"), limit).replace("\t", TAB)) for line in lines]


def _cut(line: str, limit: int) -> str:
    return line if len(line) <= limit else line[:limit] + " …"
