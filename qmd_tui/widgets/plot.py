"""A history as a plot of several rows of block characters, below what it is of. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from qmd_tui.widgets.text import padded

_BARS = " ▁▂▃▄▅▆▇█"
_LABEL_CELLS = 16
_MOST_CELLS = 120


def plot(values: Sequence[float | None], width: int, height: int, top: float = 1.0) -> list[str]:
    """The newest `width` values as bars, `height` rows high; `top` is a full bar. What is not known leaves a gap."""
    newest = list(values)[-width:]
    eighths = [None if value is None else round(8 * height * min(max(value / top, 0.0), 1.0)) for value in newest]
    rows = []
    for row in range(height - 1, -1, -1):
        cells = "".join(" " if value is None else _BARS[min(max(value - 8 * row, 0), 8)] for value in eighths)
        rows.append(cells.rjust(width))
    return rows


def cells_of(width: int) -> int:
    """How wide a plot is in so many cells, beside its label."""
    return max(min(width - _LABEL_CELLS, _MOST_CELLS), 8)


def line(label: str, told: str) -> Content:
    """A label and what it says now."""
    return Content.assemble((padded(label, _LABEL_CELLS), "$secondary"), told)


def plotted(label: str, told: str, rows: Sequence[str]) -> list[Content]:
    """The same, and its history below."""
    return [line(label, told), *(Content.assemble(" " * _LABEL_CELLS, (row, "$primary")) for row in rows)]
