"""The line that is typed into."""

from __future__ import annotations

from textual import events
from textual.widgets import Input

from qmd_tui.output import safe

_MOST_CHARACTERS = 10_000  # the protocol's limit of a query


class QueryInput(Input):
    """One line. What is pasted loses its line ends and control characters: no search is about them."""

    def __init__(self) -> None:
        # Not selected on focus: coming back from a dialog, the next key would replace what was typed.
        super().__init__(placeholder="Search", select_on_focus=False, compact=True, max_length=_MOST_CHARACTERS)

    def on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        self.insert_text_at_cursor(plain(event.text))


def plain(text: str) -> str:
    """The text with a space in place of everything that must not reach a terminal."""
    return "".join(kept if kept == shown else " " for kept, shown in zip(text, safe.line(text), strict=True))
