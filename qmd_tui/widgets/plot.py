"""A history as a plot of several rows of block characters. Pure."""

from __future__ import annotations

from collections.abc import Sequence

_BARS = " ▁▂▃▄▅▆▇█"


def plot(values: Sequence[float | None], width: int, height: int, top: float = 1.0) -> list[str]:
    """The newest `width` values as bars, `height` rows high; `top` is a full bar. What is not known leaves a gap."""
    newest = list(values)[-width:]
    eighths = [None if value is None else round(8 * height * min(max(value / top, 0.0), 1.0)) for value in newest]
    rows = []
    for row in range(height - 1, -1, -1):
        cells = "".join(" " if value is None else _BARS[min(max(value - 8 * row, 0), 8)] for value in eighths)
        rows.append(cells.rjust(width))
    return rows
