"""Earlier and saved queries, filtered by what is typed."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from qmd_tui.history import History
from qmd_tui.language import tr
from qmd_tui.widgets.text import visible

_MOST_SHOWN = 200


class RecallScreen(ModalScreen[str | None]):
    """Dismissed with the query that was chosen."""

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", priority=True),
        Binding("up,ctrl+p,ctrl+k", "move('up')", priority=True),
        Binding("down,ctrl+n,ctrl+j", "move('down')", priority=True),
        Binding("enter", "choose", priority=True),
        Binding("ctrl+d,delete", "forget", priority=True),
    ]

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history
        self._shown: list[str] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(tr("Earlier queries"))
            dialog.border_subtitle = Content(tr("Enter: ask again · Ctrl+D: forget"))
            yield Input(placeholder=tr("Filter"), compact=True)
            yield OptionList(markup=False, compact=True)

    def on_mount(self) -> None:
        self._show("")

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        self._show(message.value)

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        message.stop()
        self.dismiss(self._shown[message.option_index])

    def action_move(self, way: str) -> None:
        listed = self.query_one(OptionList)
        if way == "up":
            listed.action_cursor_up()
        else:
            listed.action_cursor_down()

    def action_choose(self) -> None:
        at = self.query_one(OptionList).highlighted
        self.dismiss(self._shown[at] if at is not None else None)

    def action_forget(self) -> None:
        at = self.query_one(OptionList).highlighted
        if at is not None:
            self._history.forget(self._shown[at])
            self._show(self.query_one(Input).value)

    def _show(self, wanted: str) -> None:
        """The saved ones first, then the newest; those that have all the words."""
        words = wanted.casefold().split()
        newest = list(reversed(self._history.queries))
        every = [*self._history.saved, *(query for query in newest if query not in self._history.saved)]
        self._shown = [query for query in every if all(word in query.casefold() for word in words)][:_MOST_SHOWN]
        listed = self.query_one(OptionList)
        listed.clear_options()
        saved = set(self._history.saved)
        listed.add_options([Option(Content(f"{'★' if one in saved else ' '} {visible(one)}")) for one in self._shown])
        listed.highlighted = 0 if self._shown else None
