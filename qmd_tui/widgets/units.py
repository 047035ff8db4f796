"""Numbers as a person reads them at a glance."""

from __future__ import annotations

from collections.abc import Iterable

_BARS = "▁▂▃▄▅▆▇█"


def size(count_bytes: float) -> str:
    """As `ls -h` and htop write it, in powers of 1024: 512, 1.2M, 24G."""
    for unit in ("", "K", "M", "G"):
        if count_bytes < 1023.5:
            return _short(count_bytes, unit)
        count_bytes /= 1024
    return _short(count_bytes, "T")


def percent(ratio: float) -> str:
    return f"{round(100 * ratio)}%"


def sparkline(ratios: Iterable[float]) -> str:
    """A bar for each ratio from 0 to 1; more than 1 is a full bar."""
    top = len(_BARS) - 1
    return "".join(_BARS[round(min(max(ratio, 0.0), 1.0) * top)] for ratio in ratios)


def _short(value: float, unit: str) -> str:
    return f"{value:.1f}{unit}" if unit and value < 9.95 else f"{value:.0f}{unit}"
