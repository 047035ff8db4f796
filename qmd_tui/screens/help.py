"""The keys of the screen below, as they are bound now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static


class HelpScreen(ModalScreen[None]):
    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss", "Close", id="help.close")]

    def __init__(self, bindings: Iterable[ActiveBinding]) -> None:
        super().__init__()
        self._bindings_shown = by_action(active.binding for active in bindings)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="keys") as keys:
            keys.border_title = "Keys"
            for bindings in self._bindings_shown:
                names = "  ".join(self.app.get_key_display(binding) for binding in bindings)
                yield Static(Content.assemble((names, "$accent"), "\n  ", bindings[0].description), markup=False)


def by_action(bindings: Iterable[Binding]) -> list[list[Binding]]:
    """The bindings of our own table (they have ids; Textual's have not), those of one action together."""
    groups: dict[str, list[Binding]] = {}
    for binding in bindings:
        if binding.id:
            groups.setdefault(binding.id, []).append(binding)
    return list(groups.values())
