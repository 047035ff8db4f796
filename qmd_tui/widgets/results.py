"""The list of hits. Only the rows on screen are drawn, so a thousand hits are no pause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ipc.protocol import Hit
from qmd_tui.widgets.hit import percent, place, snippet_line
from qmd_tui.widgets.text import crop, paint, shorten, shorten_left, strip, visible

# Below so many lines of height a hit takes two lines, not three: its title and its text.
_ROOMY_LINES = 9
_MARK = "▌"


class Results(ScrollView, can_focus=False):
    """The hits of an answer. The input keeps the focus: whoever has it moves the selection with `move`."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "results--title",
        "results--place",
        "results--snippet",
        "results--score",
        "results--match",
        "results--selected",
        "results--mark",
    }
    ALLOW_SELECT = False

    @dataclass
    class Selected(Message):
        """Another hit is under the cursor; None when there are none."""

        hit: Hit | None

    @dataclass
    class Chosen(Message):
        """A hit was double-clicked."""

        hit: Hit

    selected: reactive[int] = reactive(0)

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name for it
        super().__init__(id=id)
        self._hits: Sequence[Hit] = ()

    @property
    def hits(self) -> Sequence[Hit]:
        return self._hits

    @property
    def hit(self) -> Hit | None:
        """The hit under the cursor."""
        return self._hits[self.selected] if self._hits else None

    @property
    def row_lines(self) -> int:
        """How many lines a hit takes."""
        return 3 if self.size.height >= _ROOMY_LINES else 2

    def show(self, hits: Sequence[Hit], *, follow: bool) -> None:
        """Show other hits. `follow` keeps the selected document selected, wherever it is now; else the first is."""
        before = self.hit
        self._hits = hits
        files = [hit.file for hit in hits] if follow and before is not None else []
        index = files.index(before.file) if before is not None and before.file in files else 0
        self.set_reactive(Results.selected, index)
        self._lay_out()
        self.refresh()
        if self.hit != before:
            self.post_message(self.Selected(self.hit))

    def move(self, by: int) -> None:
        self.selected += by

    def validate_selected(self, index: int) -> int:
        return max(0, min(index, len(self._hits) - 1))

    def watch_selected(self, before: int, after: int) -> None:
        for index in (before, after):
            self.refresh_lines(index * self.row_lines, self.row_lines)
        self._reveal()
        self.post_message(self.Selected(self.hit))

    def on_resize(self) -> None:
        self._lay_out()

    def on_click(self, event: events.Click) -> None:
        index = (event.y + self.scroll_offset.y) // self.row_lines
        if index >= len(self._hits):
            return
        self.selected = index
        if event.chain == 2:
            self.post_message(self.Chosen(self._hits[index]))

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        row = self.visual_style.rich_style
        index, part = divmod(y + self.scroll_offset.y, self.row_lines)
        if index >= len(self._hits):
            return Strip.blank(width, row)
        if selected := index == self.selected:
            row += self._style("results--selected")
        mark = Segment(_MARK if selected else " ", row + self._style("results--mark"))
        return strip([mark, *self._part(self._hits[index], part, width - 1, row)], width, row)

    def _part(self, hit: Hit, part: int, width: int, row: Style) -> list[Segment]:
        """One line of a hit: its title and score, its place, or the text that matched."""
        if part == 0:
            return self._title(hit, width, row)
        if part == 1 and self.row_lines == 3:
            return [Segment(shorten_left(place(hit), width), row + self._style("results--place"))]
        text, matches = crop(*snippet_line(hit), width)
        return paint(text, matches, row + self._style("results--snippet"), self._style("results--match"))

    def _title(self, hit: Hit, width: int, row: Style) -> list[Segment]:
        score = f" {percent(hit)} "
        title = shorten(visible(hit.title or hit.path), width - len(score))
        gap = " " * max(width - len(score) - cell_len(title), 0)
        return [
            Segment(title, row + self._style("results--title")),
            Segment(gap, row),
            Segment(score, row + self._style("results--score")),
        ]

    def _style(self, component: str) -> Style:
        return self.get_component_rich_style(component, partial=True)

    def _lay_out(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._hits) * self.row_lines)
        self._reveal()

    def _reveal(self) -> None:
        """Scroll as little as shows the selected hit whole."""
        if not self.size.height:  # hidden: it comes back through `on_resize`
            return
        top = self.selected * self.row_lines
        bottom = top + self.row_lines - self.size.height
        y = min(max(self.scroll_offset.y, bottom), top)
        if y != self.scroll_offset.y:
            # force: the scroll bar of the new height is shown only after the next layout
            self.scroll_to(y=y, animate=False, force=True)
