"""What the screens beside the search screen have in common: a title, the status bar, and the way back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from qmd_tui import keys
from qmd_tui.facts import Facts
from qmd_tui.language import tr
from qmd_tui.messages import (
    ConnectionChanged,
    EngineReported,
    GpuSampled,
    IndexReported,
    JobProgressed,
    LanguageChanged,
    Refused,
)
from qmd_tui.settings import Settings
from qmd_tui.told import error_text
from qmd_tui.widgets.status import StatusBar


class Panel(Screen[None]):
    """Shows what is known when it opens, and again whenever something of it changes."""

    CSS_PATH = "panel.tcss"
    HEADING: ClassVar[str] = ""
    BINDINGS: ClassVar[list[BindingType]] = [*keys.SCREEN]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (20, "-tall")]  # noqa: RUF012 - Textual's own type

    def __init__(self, facts: Facts, settings: Settings) -> None:
        super().__init__()
        self.facts = facts
        self.settings = settings

    def body(self) -> Iterable[Widget]:
        """The widgets between the title and the status bar."""
        raise NotImplementedError

    def show(self) -> None:
        """Show what is known now."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        yield Static(id="heading", markup=False)
        yield from self.body()
        yield StatusBar(id="status")

    def on_mount(self) -> None:
        self.status.take(self.facts)
        self._show_all()

    @property
    def status(self) -> StatusBar:
        return self.query_one(StatusBar)

    def action_back(self) -> None:
        self.dismiss()

    def on_connection_changed(self, message: ConnectionChanged) -> None:
        self.status.show_connection(message)
        self.show()

    def on_index_reported(self, message: IndexReported) -> None:
        self.status.show_index(message.index)
        self.show()

    def on_engine_reported(self, message: EngineReported) -> None:
        self.status.show_engine(message.engine)
        self.show()

    def on_gpu_sampled(self, message: GpuSampled) -> None:
        self.status.show_sample(message.sample)
        self.show_sample()

    def on_job_progressed(self, message: JobProgressed) -> None:
        self.status.show_job(message.job)
        self.show()

    def on_language_changed(self, _: LanguageChanged) -> None:
        self._show_all()
        self.status.refresh()

    def on_refused(self, message: Refused) -> None:
        if self.is_current:
            self.notify(error_text(message.error), severity="error", markup=False)

    def show_sample(self) -> None:
        """Once a second: for the screen of which that is the matter."""

    def _show_all(self) -> None:
        hint = tr("Esc: back · F1: keys")
        self.query_one("#heading", Static).update(Content.assemble((tr(self.HEADING), "bold"), f"  {hint}"))
        self.show()
