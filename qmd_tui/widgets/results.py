"""The list of hits. Only the rows on screen are drawn, so a thousand hits are no pause."""

from __future__ import annotations

import time
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
from textual.timer import Timer

from ipc.protocol import Hit
from qmd_tui.widgets.hit import age, percent, place, snippet_line
from qmd_tui.widgets.text import crop, padded, paint, shorten, shorten_left, strip, visible

# Below so many lines of height a hit takes two lines, not three: its title and its text.
_ROOMY_LINES = 9
_MARK = "▌"
_PICKED = "✓"
# For so long a row that has moved says so: read at a glance, gone before the next look.
_TELL_MOVES_S = 2.0
# The end is near when so few hits are left below the cursor.
_NEAR_END = 15


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
        "results--moved",
    }
    ALLOW_SELECT = False

    @dataclass(eq=False, repr=False)  # see qmd_tui.messages
    class Selected(Message):
        """Another hit is under the cursor; None when there are none."""

        hit: Hit | None

    @dataclass(eq=False, repr=False)  # see qmd_tui.messages
    class Chosen(Message):
        """A hit was double-clicked."""

        hit: Hit

    @dataclass(eq=False, repr=False)  # see qmd_tui.messages
    class Picked(Message):
        """The person has picked a hit with the mouse, or put it back."""

        count: int

    @dataclass(eq=False, repr=False)  # see qmd_tui.messages
    class EndNeared(Message):
        """The selection comes near the end of the `count` hits that are here."""

        count: int

    selected: reactive[int] = reactive(0)

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name for it
        super().__init__(id=id)
        self._hits: Sequence[Hit] = ()
        self._least = 0  # so many hits the list has room for, if there are fewer
        self._moves: dict[str, str] = {}  # by file: how far it went, and what moved it
        self._moves_shown: Timer | None = None
        self._touched = False  # the person has moved the selection
        self.picked: dict[str, Hit] = {}  # by file, in the order in which they were picked

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

    def show(self, hits: Sequence[Hit], *, follow: bool, why: str = "", whole: bool = True) -> None:
        """Show other hits. `follow`: it is the same question's list in another order, which `why` has made.

        Then the selected document stays selected wherever it is now, and stays where it is on the screen once the
        person has moved to it; the rows that moved say so for a moment. Else the first is selected.
        Until the answer is `whole`, the list is no shorter than the one before: while one types, the scroll bar stands
        still, and need not be drawn at every key.
        """
        before = self.hit
        moves = {} if not (follow and why) else told_moves(self._hits, hits, why)
        files = [hit.file for hit in hits] if follow and before is not None else []
        index = files.index(before.file) if before is not None and before.file in files else 0
        shift = (index - self.selected) * self.row_lines if follow and self._touched else 0
        self._hits = hits
        self._least = 0 if whole else max(self._least, len(hits), self.virtual_size.height // self.row_lines)
        self._touched = self._touched and follow
        self._tell(moves)
        self.set_reactive(Results.selected, index)
        self._lay_out(shift)
        self.refresh()
        if self.hit != before:
            self.post_message(self.Selected(self.hit))
        if hits and len(hits) * self.row_lines < self.size.height:  # a tall terminal
            self.post_message(self.EndNeared(len(hits)))

    def move(self, by: int) -> None:
        self._touched = True
        self.selected += by

    def pick(self) -> None:
        """Pick the hit under the cursor, or put it back."""
        if (hit := self.hit) is not None:
            if self.picked.pop(hit.file, None) is None:
                self.picked[hit.file] = hit
            self.refresh()

    def unpick_all(self) -> None:
        self.picked.clear()
        self.refresh()

    @property
    def chosen(self) -> list[Hit]:
        """What an action is about: the picked hits, else the one under the cursor."""
        return list(self.picked.values()) or ([self.hit] if self.hit is not None else [])

    def _tell(self, moves: dict[str, str]) -> None:
        if self._moves_shown is not None:
            self._moves_shown.stop()
        self._moves = moves
        self._moves_shown = self.set_timer(_TELL_MOVES_S, self._forget_moves) if moves else None

    def _forget_moves(self) -> None:
        self._moves = {}
        self.refresh()

    def validate_selected(self, index: int) -> int:
        return max(0, min(index, len(self._hits) - 1))

    def watch_selected(self, before: int, after: int) -> None:
        for index in (before, after):
            self.refresh_lines(index * self.row_lines, self.row_lines)
        self._reveal()
        self.post_message(self.Selected(self.hit))
        if after >= len(self._hits) - _NEAR_END:
            self.post_message(self.EndNeared(len(self._hits)))

    def on_resize(self) -> None:
        self._lay_out()

    def on_click(self, event: events.Click) -> None:
        index = (event.y + self.scroll_offset.y) // self.row_lines
        if index >= len(self._hits):
            return
        self._touched = True
        self.selected = index
        if event.ctrl:
            self.pick()
            self.post_message(self.Picked(len(self.picked)))
        elif event.chain == 2:
            self.post_message(self.Chosen(self._hits[index]))

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        row = self.visual_style.rich_style
        index, part = divmod(y + self.scroll_offset.y, self.row_lines)
        if index >= len(self._hits):
            return Strip.blank(width, row)
        if selected := index == self.selected:
            row += self._style("results--selected")
        picked = part == 0 and self._hits[index].file in self.picked
        mark = Segment(_PICKED if picked else _MARK if selected else " ", row + self._style("results--mark"))
        return strip([mark, *self._part(self._hits[index], part, width - 1, row)], width, row)

    def _part(self, hit: Hit, part: int, width: int, row: Style) -> list[Segment]:
        """One line of a hit: its title and score, its place and age, or the text that matched."""
        if part == 0:
            return self._title(hit, width, row)
        if part == 1 and self.row_lines == 3:
            return self._place(hit, width, row)
        text, matches = crop(*snippet_line(hit), width)
        return paint(text, matches, row + self._style("results--snippet"), self._style("results--match"))

    def _title(self, hit: Hit, width: int, row: Style) -> list[Segment]:
        move = self._moves.get(hit.file, "")
        score = f" {percent(hit)} "
        room = width - len(score)
        whole = visible(hit.title or hit.path)
        # How far it moved is told where there is room for it beside the title, and by what, where there is more.
        forms = (f" {move}", f" {move.split(' ')[0]}") if move else ()
        told = next((form for form in forms if cell_len(whole) + cell_len(form) <= room), "")
        title = shorten(whole, room - cell_len(told))
        gap = " " * max(room - cell_len(title) - cell_len(told), 0)
        return [
            Segment(title, row + self._style("results--title")),
            Segment(gap, row),
            Segment(told, row + self._style("results--moved")),
            Segment(score, row + self._style("results--score")),
        ]

    def _place(self, hit: Hit, width: int, row: Style) -> list[Segment]:
        """The age stands below the score, where half of the row is left for the place."""
        style = row + self._style("results--place")
        told = f" {age(hit, time.time())} " if hit.modified_at is not None else ""
        if not told or cell_len(told) > width // 2:
            return [Segment(shorten_left(place(hit), width), style)]
        room = width - cell_len(told)
        return [Segment(padded(shorten_left(place(hit), room), room) + told, style)]

    def _style(self, component: str) -> Style:
        return self.get_component_rich_style(component, partial=True)

    def _lay_out(self, shift: int = 0) -> None:
        """`shift`: by so many lines the selected row has moved in the list, and is not to move on the screen."""
        self.virtual_size = Size(
            self.scrollable_content_region.width, max(self._least, len(self._hits)) * self.row_lines
        )
        self._reveal(shift)

    def _reveal(self, shift: int = 0) -> None:
        """Scroll as little as shows the selected hit whole."""
        if not self.size.height:  # hidden: it comes back through `on_resize`
            return
        top = self.selected * self.row_lines
        bottom = top + self.row_lines - self.size.height
        lowest = max(self.virtual_size.height - self.size.height, 0)
        y = min(max(self.scroll_offset.y + shift, bottom, 0), top, lowest)
        if y != self.scroll_offset.y:
            # force: the scroll bar of the new height is shown only after the next layout
            self.scroll_to(y=y, animate=False, force=True)


def told_moves(before: Sequence[Hit], after: Sequence[Hit], why: str) -> dict[str, str]:
    """What each hit that has another place says of it, by file: `↑7 meaning`, `↓2`, and `+ meaning` of a new one."""
    ranks = {hit.file: rank for rank, hit in enumerate(before)}
    told: dict[str, str] = {}
    if not before:
        return told
    for rank, hit in enumerate(after):
        was = ranks.get(hit.file)
        if was is None:
            told[hit.file] = f"+ {why}"
        elif was > rank:
            told[hit.file] = f"↑{was - rank} {why}"
        elif was < rank:
            told[hit.file] = f"↓{rank - was}"
    return told
