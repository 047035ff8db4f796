"""The daemon's events: the newest last, by level and by what is typed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from ipc.protocol import LogEvent
from qmd_tui import keys
from qmd_tui.facts import Facts
from qmd_tui.language import N_, tr
from qmd_tui.messages import LogReported
from qmd_tui.screens.panel import Panel
from qmd_tui.settings import Settings
from qmd_tui.widgets.text import visible

LEVELS = {"debug": 0, "info": 1, "warning": 2, "error": 3, "critical": 4}
_NAMES = {"info": N_("all"), "warning": N_("warnings and errors"), "error": N_("errors")}
_COLORS = {"warning": "$warning", "error": "$error", "critical": "$error"}
_MOST_SHOWN = 500


class LogScreen(Panel):
    HEADING = N_("The daemon's log")
    BINDINGS: ClassVar[list[BindingType]] = [*keys.SCREEN, *keys.LOG]
    AUTO_FOCUS = "Input"

    def __init__(self, facts: Facts, settings: Settings) -> None:
        super().__init__(facts, settings)
        self._level = "info"

    def body(self) -> Iterable[Widget]:
        yield Input(id="log-filter", compact=True)
        yield VerticalScroll(Static(id="shown", markup=False), id="lines", can_focus=False)
        yield Static(id="level", classes="said", markup=False)

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        self.show()

    def on_log_reported(self, _: LogReported) -> None:
        self.show()

    def action_next_level(self) -> None:
        names = list(_NAMES)
        self._level = names[(names.index(self._level) + 1) % len(names)]
        self.show()

    def action_scroll(self, lines: int) -> None:
        self.query_one("#lines").scroll_relative(y=lines, animate=False)

    def action_back(self) -> None:
        typed = self.query_one(Input)
        if typed.value:
            typed.value = ""
        else:
            self.dismiss()

    def show(self) -> None:
        wanted = self.query_one(Input)
        wanted.placeholder = tr("Filter: words, or a request's id")
        words = wanted.value.casefold().split()
        chosen = [event for event in self.facts.log if fits(event, self._level, words)][-_MOST_SHOWN:]
        area = self.query_one("#lines")
        at_end = area.scroll_offset.y >= area.max_scroll_y
        lines = [line(event) for event in chosen] or [Content(tr("Nothing yet."))]
        self.query_one("#shown", Static).update(Content("\n").join(lines))
        if at_end:
            area.scroll_end(animate=False)
        told = tr("Shown: {what} · Ctrl+L: next level").format(what=tr(_NAMES[self._level]))
        self.query_one("#level", Static).update(Content(told))


SCREEN = LogScreen


def fits(event: LogEvent, level: str, words: Iterable[str]) -> bool:
    """Whether it is serious enough, and has all the words (a request's id is one) somewhere."""
    if LEVELS.get(event.level, 1) < LEVELS[level]:
        return False
    whole = f"{event.event} {' '.join(f'{name}={value}' for name, value in event.fields.items())}".casefold()
    return all(word in whole for word in words)


def line(event: LogEvent) -> Content:
    at = time.strftime("%H:%M:%S", time.localtime(event.at))
    fields = "  ".join(f"{name}={visible(value)}" for name, value in event.fields.items())
    color = _COLORS.get(event.level, "$foreground")
    return Content.assemble((f"{at} ", "$secondary"), (visible(event.event), color), f"  {fields}")
