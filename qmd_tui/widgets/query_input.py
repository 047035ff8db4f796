"""The line that is typed into."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.geometry import Size
from textual.reactive import Reactive
from textual.suggester import Suggester
from textual.widgets import Input

from qmd_tui import query
from qmd_tui.output import safe

_MOST_CHARACTERS = 10_000  # the protocol's limit of a query


class QueryInput(Input):
    """One line. What is pasted loses its line ends and control characters: no search is about them."""

    # Wide and high as the screen has it, whatever stands in it: a key need not lay out the screen, and draw it all.
    virtual_size = Reactive(Size(0, 0))

    def __init__(self) -> None:
        # Not selected on focus: coming back from a dialog, the next key would replace what was typed.
        self.completer = Completer()
        super().__init__(select_on_focus=False, compact=True, max_length=_MOST_CHARACTERS, suggester=self.completer)

    async def on_key(self, event: events.Key) -> None:
        """`?` in an empty input asks for the keys; nobody searches for it."""
        if event.character in {"?", "？"} and not self.value:
            event.prevent_default()
            event.stop()
            await self.app.run_action("help")

    def on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        self.insert_text_at_cursor(plain(event.text))


class Completer(Suggester):
    """Completes the words of the query language, collections and earlier queries; the right arrow takes it."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.collections: Sequence[str] = ()
        self.before: Sequence[str] = ()

    async def get_suggestion(self, value: str) -> str | None:
        found = query.suggestion(value, self.collections, self.before)
        return plain(found) if found is not None else None


def plain(text: str) -> str:
    """The text with a space in place of everything that must not reach a terminal."""
    return "".join(kept if kept == shown else " " for kept, shown in zip(text, safe.line(text), strict=True))
