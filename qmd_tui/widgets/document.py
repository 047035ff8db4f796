"""A document on screen: rows of a page, a gutter with line numbers, the matches marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ipc.protocol import DocumentReply, Hit
from qmd_tui.widgets.hit import first_match_line, lines, pattern
from qmd_tui.widgets.page import Page
from qmd_tui.widgets.text import paint, strip

_MARK = "▎"


class DocumentView(ScrollView, can_focus=False):
    """Shows the window of a document that it is given, and says when its edge is scrolled to."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"document--text", "document--gutter", "document--mark", "document--match"}
    ALLOW_SELECT = False

    @dataclass
    class EdgeReached(Message):
        """There is more of the document past what is loaded. `line` is the one at the top of the screen."""

        line: int

    def __init__(self) -> None:
        super().__init__()
        self._document: DocumentReply | None = None
        self._hit: Hit | None = None
        self.page: Page | None = None
        self._placing = False  # being put somewhere is not taken for scrolling

    def show(self, document: DocumentReply | None, hit: Hit | None, *, top_line: int | None = None) -> None:
        """Show lines of the hit's document: its match a third from the top, or `top_line` at the top."""
        self._document = document
        self._hit = hit
        self._lay_out(top_line)

    def repaint(self, hit: Hit) -> None:
        """Mark the matches of another hit in the same place; nothing moves."""
        self._hit = hit
        if self.page is not None:
            self.page.pattern = pattern(hit)
        self.refresh()

    def on_resize(self) -> None:
        # Rows are of the new width, so the line at the top is what stays, unless nothing was laid out yet.
        self._lay_out(self.page.line_of(self.scroll_offset.y) if self.page else None)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._placing or self.page is None or round(old_value) == round(new_value):
            return
        top = round(new_value)
        at_start = new_value < old_value and top == 0 and self.page.has_before
        at_end = new_value > old_value and top + self.size.height >= len(self.page.rows) and self.page.has_after
        if at_start or at_end:
            self.post_message(self.EdgeReached(self.page.line_of(top)))

    def render_line(self, y: int) -> Strip:
        width, style = self.scrollable_content_region.width, self.visual_style.rich_style
        row_number = y + self.scroll_offset.y
        if self.page is None or row_number >= len(self.page.rows):
            return Strip.blank(width, style)
        row = self.page.rows[row_number]
        text, matches = self.page.text(row)
        body = paint(text, matches, style + self._style("document--text"), self._style("document--match"))
        return strip([*self._gutter(self.page, row_number, style), *body], width, style)

    def _gutter(self, page: Page, row_number: int, style: Style) -> list[Segment]:
        """The line's number on its first row, and a mark beside the lines that the snippet covers."""
        line = page.line_of(row_number)
        number = str(line) if page.rows[row_number].start == 0 else ""
        first, last = lines(self._hit) if self._hit is not None else (0, -1)
        mark = _MARK if first <= line <= last else " "
        return [
            Segment(f"{number:>{page.gutter - 2}}", style + self._style("document--gutter")),
            Segment(f"{mark} ", style + self._style("document--mark")),
        ]

    def _style(self, component: str) -> Style:
        return self.get_component_rich_style(component, partial=True)

    def _lay_out(self, top_line: int | None) -> None:
        width, height = self.scrollable_content_region.size
        self.page = None
        if self._document is not None and self._hit is not None and width:
            self.page = Page(self._document, width, pattern(self._hit))
        rows = self.page.rows if self.page else []
        self.virtual_size = Size(width, len(rows))
        self.refresh()
        if self.page is None or self._hit is None:
            return
        if top_line is None:
            row = self.page.row_of_match(first_match_line(self._hit)) - height // 3
        else:
            row = self.page.row_of(top_line)
        self._placing = True
        # force: the scroll bar of the new height is shown only after the next layout.
        self.scroll_to(y=max(row, 0), animate=False, force=True)
        self._placing = False
