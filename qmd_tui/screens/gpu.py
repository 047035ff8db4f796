"""The cards, or the processor and the memory, as they are and as they were."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widget import Widget

from qmd_tui.language import N_
from qmd_tui.screens.panel import Panel
from qmd_tui.widgets.meter import History
from qmd_tui.widgets.readings import readings


class Readings(Widget):
    """Draws the meter's history as wide and as high as it is."""

    def __init__(self, history: History) -> None:
        super().__init__(id="readings")
        self._history = history

    def render(self) -> Content:
        width, height = self.content_size
        return Content("\n").join(readings(list(self._history.samples), width, height))


class GpuScreen(Panel):
    HEADING = N_("GPU, or CPU and memory")

    def body(self) -> Iterable[Widget]:
        yield Readings(self.facts.meter)

    def show(self) -> None:
        self.show_sample()

    def show_sample(self) -> None:
        self.query_one(Readings).refresh(layout=True)


SCREEN = GpuScreen
