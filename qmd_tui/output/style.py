"""Bold, dim and colour, where the stream takes them."""

from __future__ import annotations

import sys
from typing import TextIO

from qmd_tui.output.streams import takes_color

# From these scores on, a score is shown in green or in yellow (the thresholds of tobi/qmd).
GOOD = 0.70
FAIR = 0.40


class Style:
    """Wraps text in escape sequences, or, where `colored` is false, leaves it as it is."""

    def __init__(self, colored: bool = False) -> None:
        self.colored = colored

    def bold(self, text: str) -> str:
        return self._wrap("1", text)

    def dim(self, text: str) -> str:
        return self._wrap("2", text)

    def address(self, text: str) -> str:
        return self._wrap("36", text)

    def match(self, text: str) -> str:
        return self._wrap("1;33", text)

    def good(self, text: str) -> str:
        return self._wrap("32", text)

    def bad(self, text: str) -> str:
        return self._wrap("31", text)

    def link(self, text: str, target: str) -> str:
        """`text` as a link (OSC 8), where there is a target."""
        return f"\x1b]8;;{target}\x1b\\{text}\x1b]8;;\x1b\\" if self.colored and target else text

    def percent(self, score: float) -> str:
        """A score from 0 to 1 as `87%`."""
        shown = f"{score:.0%}"
        return self._wrap("32" if score >= GOOD else "33" if score >= FAIR else "2", shown)

    def _wrap(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colored and text else text


def style_of(stream: TextIO | None = None) -> Style:
    """The style that a stream takes, stdout if none is given."""
    return Style(takes_color(stream or sys.stdout))
