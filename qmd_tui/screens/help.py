"""The keys of the screen below, as they are bound now; what is typed filters them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from qmd_tui import keys
from qmd_tui.language import tr
from qmd_tui.widgets.text import padded

_KEY_CELLS, _FEW_KEY_CELLS = 18, 10
_ROOMY_COLUMNS = 60


class HelpScreen(ModalScreen[None]):
    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter", "dismiss", priority=True),
        Binding("up", "scroll(-1)", priority=True),
        Binding("down", "scroll(1)", priority=True),
        Binding("pageup", "scroll(-8)", priority=True),
        Binding("pagedown", "scroll(8)", priority=True),
    ]

    def __init__(self, bindings: Iterable[ActiveBinding]) -> None:
        super().__init__()
        self._bindings_shown = by_action(active.binding for active in bindings)

    def compose(self) -> ComposeResult:
        with Vertical(id="keys") as window:
            window.border_title = Content(tr("Keys"))
            yield Input(placeholder=tr("Filter"), compact=True)
            with VerticalScroll(id="listed", can_focus=False):
                yield Static(id="shown", markup=False)

    def on_mount(self) -> None:
        self._show("")

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        self._show(message.value)

    def action_scroll(self, lines: int) -> None:
        self.query_one("#listed").scroll_relative(y=lines, animate=False)

    def _show(self, wanted: str) -> None:
        words = wanted.casefold().split()
        cells = _KEY_CELLS if self.app.size.width >= _ROOMY_COLUMNS else _FEW_KEY_CELLS
        lines = []
        for bindings in self._bindings_shown:
            names = "  ".join(self.app.get_key_display(binding) for binding in bindings)
            said = tr(bindings[0].description)
            if all(word in f"{names} {said}".casefold() for word in words):
                lines.append(Content.assemble((padded(names, cells), "$accent"), " ", said))
        self.query_one("#shown", Static).update(Content("\n").join(lines) if lines else tr("No key does that."))


def by_action(bindings: Iterable[Binding]) -> list[list[Binding]]:
    """The bindings of our own table (they have ids; Textual's have not), those of one action together, in its order."""
    groups: dict[str, list[Binding]] = {}
    for binding in bindings:
        if binding.id:
            groups.setdefault(binding.id, []).append(binding)
    return [groups[name] for name in keys.NAMES if name in groups]
