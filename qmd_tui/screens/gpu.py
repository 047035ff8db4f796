"""The cards, or the processor and the memory, as they are and as they were."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from qmd_tui.language import N_
from qmd_tui.screens.panel import Panel
from qmd_tui.widgets.meter import History
from qmd_tui.widgets.readings import readings


class Readings(VerticalScroll):
    """Draws the meter's history as wide and as high as it is; what does not fit is scrolled to."""

    def __init__(self, history: History) -> None:
        super().__init__(id="readings")
        self._history = history

    def compose(self) -> ComposeResult:
        yield Static(markup=False)

    def on_resize(self) -> None:
        self.show()

    def show(self) -> None:
        width, height = self.size
        self.query_one(Static).update(Content("\n").join(readings(list(self._history.samples), width - 1, height)))


class GpuScreen(Panel):
    HEADING = N_("GPU, or CPU and memory")
    AUTO_FOCUS = "#readings"

    def body(self) -> Iterable[Widget]:
        yield Readings(self.facts.meter)

    def show(self) -> None:
        self.show_sample()

    def show_sample(self) -> None:
        self.query_one(Readings).show()


SCREEN = GpuScreen
