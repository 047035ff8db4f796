"""A document on screen: rows of a page, a gutter with line numbers, the matches marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.theme import Theme

from ipc.protocol import DocumentReply, Hit
from qmd_tui.widgets import syntax
from qmd_tui.widgets.hit import first_match_line, lines, pattern
from qmd_tui.widgets.page import Page
from qmd_tui.widgets.text import strip

if TYPE_CHECKING:
    from qmd_tui.widgets.rendered import RenderedPage

_MARK = "▎"


class DocumentView(ScrollView, can_focus=False):
    """Shows the window of a document that it is given, and says when its edge is scrolled to."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "document--text",
        "document--gutter",
        "document--mark",
        "document--match",
        *(f"document--{kind}" for kind in syntax.KINDS),
    }
    ALLOW_SELECT = False

    @dataclass(eq=False, repr=False)  # see qmd_tui.messages
    class EdgeReached(Message):
        """There is more of the document past what is loaded. `line` is the one at the top of the screen."""

        line: int

    def __init__(self) -> None:
        super().__init__()
        self._document: DocumentReply | None = None
        self._hit: Hit | None = None
        self.page: Page | RenderedPage | None = None
        self.rendered = False  # Markdown as it reads, not as it is written
        self.sought: int | None = None  # the row of the match that was gone to last
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

    def toggle_rendered(self) -> None:
        """Markdown as it reads, or as it is written; the line at the top stays."""
        self.rendered = not self.rendered
        self._lay_out(self.page.line_of(self.scroll_offset.y) if self.page else None)

    def seek(self, by: int) -> bool:
        """Go to the next match (by 1) or the previous one (by -1) from the middle of the screen. False if there is
        none in what is loaded.
        """
        if self.page is None:
            return False
        here = self.sought if self.sought is not None else self.scroll_offset.y + self.size.height // 3
        rows = [row for row in self.page.match_rows() if (row > here if by > 0 else row < here)]
        if not rows:
            return False
        self.go_to(rows[0] if by > 0 else rows[-1])
        return True

    def go_to(self, row: int) -> None:
        """Show the row of a match, a third from the top, and mark it."""
        self.sought = row
        self._place(row - self.size.height // 3)
        self.refresh()

    def on_resize(self) -> None:
        # Rows are of the new width, so the line at the top is what stays, unless nothing was laid out yet.
        self._lay_out(self.page.line_of(self.scroll_offset.y) if self.page else None)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._placing or self.page is None or round(old_value) == round(new_value):
            return
        self.sought = None
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
        body = self.page.body(row_number, style + self._style("text"), self._style)
        return strip([*self._gutter(self.page, row_number, style), *body], width, style)

    def _gutter(self, page: Page | RenderedPage, row_number: int, style: Style) -> list[Segment]:
        """The line's number on its first row, and a mark beside the lines that the snippet covers."""
        line = page.line_of(row_number)
        first, last = lines(self._hit) if self._hit is not None else (0, -1)
        marked = first <= line <= last or row_number == self.sought
        return [
            Segment(f"{page.number(row_number):>{page.gutter - 2}}", style + self._style("gutter")),
            Segment(f"{_MARK if marked else ' '} ", style + self._style("mark")),
        ]

    def _style(self, part: str) -> Style:
        return self.get_component_rich_style(f"document--{part}", partial=True)

    def _lay_out(self, top_line: int | None) -> None:
        width, height = self.scrollable_content_region.size
        self.page = None
        self.sought = None
        if self._document is not None and self._hit is not None and width:
            self.page = self._page(self._document, self._hit, width)
        rows = self.page.rows if self.page else []
        self.virtual_size = Size(width, len(rows))
        self.refresh()
        if self.page is None or self._hit is None:
            return
        if top_line is None:
            row = self.page.row_of_match(first_match_line(self._hit)) - height // 3
        else:
            row = self.page.row_of(top_line)
        self._place(row)

    def _page(self, document: DocumentReply, hit: Hit, width: int) -> Page | RenderedPage:
        if self.rendered and syntax.is_markdown(document.path):
            from qmd_tui.widgets.rendered import RenderedPage  # rich's Markdown: not before the first frame

            theme = self.app.current_theme
            return RenderedPage(document, width, pattern(hit), markdown_styles(theme), dark=theme.dark)
        return Page(document, width, pattern(hit))

    def _place(self, row: int) -> None:
        """Scroll there, without taking it for a person's scrolling."""
        self._placing = True
        # force: the scroll bar of the new height is shown only after the next layout.
        self.scroll_to(y=max(row, 0), animate=False, force=True)
        self._placing = False


def markdown_styles(theme: Theme) -> dict[str, str]:
    """rich's names for the parts of Markdown, in the colours of the theme where it has its own."""
    heading = "bold" if theme.ansi else f"bold {theme.primary}"
    code = "bold" if theme.ansi else f"{theme.accent}"
    plain = "dim" if theme.ansi else f"{theme.secondary}"
    headings = {f"markdown.h{level}": heading for level in range(1, 8)}
    return {
        **headings,
        "markdown.h1.border": plain,
        "markdown.code": code,
        "markdown.code_block": code,
        "markdown.block_quote": plain,
        "markdown.item.bullet": heading,
        "markdown.item.number": heading,
        "markdown.link": f"underline {plain}",
        "markdown.link_url": plain,
        "markdown.hr": plain,
        "markdown.table.border": plain,
        "markdown.table.header": heading,
    }
