"""The small windows: a few fields to fill, a question to answer, something to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Input, Static

from qmd_tui.language import tr
from qmd_tui.widgets.text import visible


class Field(NamedTuple):
    """One line to fill: what is asked, what stands there already, what may, and what completes it."""

    label: str
    value: str = ""
    placeholder: str = ""
    suggester: Suggester | None = None


class FormScreen(ModalScreen[list[str] | None]):
    """Dismissed with what stands in the fields; None when the person thinks better of it."""

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", priority=True),
        Binding("enter", "next_or_done", priority=True),
    ]

    def __init__(self, title: str, fields: Sequence[Field], *, said: str = "") -> None:
        super().__init__()
        self._heading = title
        self._fields = fields
        self._said = said

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(visible(self._heading))
            dialog.border_subtitle = Content(tr("Enter: next, and done · Esc: leave it"))
            if self._said:
                yield Static(Content(self._said), classes="said", markup=False)
            for field in self._fields:
                yield Static(Content(field.label), markup=False)
                yield Input(
                    value=field.value,
                    placeholder=field.placeholder,
                    suggester=field.suggester,
                    compact=True,
                    select_on_focus=False,
                )

    def action_next_or_done(self) -> None:
        inputs = list(self.query(Input))
        at = next((number for number, field in enumerate(inputs) if field.has_focus), 0)
        if at + 1 < len(inputs):
            inputs[at + 1].focus()
        else:
            self.dismiss([field.value.strip() for field in inputs])


class ConfirmScreen(ModalScreen[bool]):
    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "answer(False)", priority=True),
        Binding("enter,y", "answer(True)", priority=True),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as dialog:
            dialog.border_subtitle = Content(tr("Enter: yes · Esc: no"))
            yield Static(Content(self._question), markup=False)

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)


class ReadScreen(ModalScreen[None]):
    """Lines to read, as many as there are."""

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q", "dismiss", priority=True)]

    def __init__(self, title: str, lines: Sequence[Content]) -> None:
        super().__init__()
        self._heading = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog") as dialog:
            dialog.border_title = Content(visible(self._heading))
            dialog.border_subtitle = Content(tr("Esc: close"))
            yield Static(Content("\n").join(self._lines), markup=False)
