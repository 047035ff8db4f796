"""The document of the selected hit, at the lines that matched."""

from __future__ import annotations

from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from ipc.errors import QmdError
from ipc.protocol import DocumentReply, Hit
from qmd_tui.language import trn
from qmd_tui.messages import DocumentWanted, Wanted
from qmd_tui.told import error_text
from qmd_tui.widgets.document import DocumentView
from qmd_tui.widgets.hit import first_match_line
from qmd_tui.widgets.text import visible

# A match is looked for in so many windows of lines, and then not found.
_MOST_WINDOWS = 50


class Preview(Vertical):
    """A title, and the document below it. Asks for lines with `DocumentWanted`, and is handed them with `load`."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name for it
        super().__init__(id=id)
        self.view = DocumentView()
        self._heading = Static(id="preview-title", markup=False)
        self.hit: Hit | None = None
        self._wanted: Wanted | None = None
        self._top_line: int | None = None
        self._document: DocumentReply | None = None
        self._seeking = 0  # the direction in which a match is looked for past what is loaded
        self._windows = 0

    def on_mount(self) -> None:
        # Empty as it is, the first frame does not wait for it.
        self.call_after_refresh(self.mount, self._heading, self.view)

    def show(self, hit: Hit | None) -> None:
        """Show a hit's document. Until it is there, the one before stays: nothing flickers while one moves."""
        before, self.hit = self.hit, hit
        if hit is None:
            self._wanted = None
            self._clear("")
        elif before is not None and _place(before) == _place(hit):
            self.view.repaint(hit)  # the same place, of another stage: the reader's scrolling is kept
        else:
            self._want(Wanted(*_place(hit)))

    def load(self, wanted: Wanted, document: DocumentReply) -> None:
        """Take the lines that were asked for last; others come too late."""
        if wanted == self._wanted and self.hit is not None:
            self._document = document
            self.show_title()
            self.view.show(document, self.hit, top_line=self._top_line)
            if self._seeking:
                self._seek_on(document)

    def show_title(self) -> None:
        if (document := self._document) is not None:
            lines = trn("{count} line", "{count} lines", document.total_lines)
            self._title(f"{document.collection}/{document.path} · {lines}")

    def seek(self, by: int) -> None:
        """Go to the next match (1) or the previous one (-1), also past what is loaded."""
        self._seeking, self._windows = by, 0
        if self.view.seek(by):
            self._seeking = 0
        elif self._document is not None:
            self._seek_on(self._document)

    def _seek_on(self, document: DocumentReply) -> None:
        """In the window that has just come, else in the one after it."""
        page, by = self.view.page, self._seeking
        if page is None or self.hit is None:
            self._seeking = 0
            return
        if self._windows and (rows := page.match_rows()):
            self._seeking = 0
            self.view.sought = None
            self.view.go_to(rows[0] if by > 0 else rows[-1])
            return
        more = page.has_after if by > 0 else page.has_before
        if not more or self._windows >= _MOST_WINDOWS:
            self._seeking = 0
            return
        self._windows += 1
        reach = (page.last - page.first) // 2
        line = page.last + reach if by > 0 else max(page.first - reach, 1)
        self._want(Wanted(self.hit.file, line), top_line=line)

    def fail(self, wanted: Wanted, error: QmdError) -> None:
        if wanted == self._wanted:
            self._clear(error_text(error))

    def on_document_view_edge_reached(self, message: DocumentView.EdgeReached) -> None:
        message.stop()
        if self.hit is not None:
            self._want(Wanted(self.hit.file, message.line), top_line=message.line)

    def _want(self, wanted: Wanted, *, top_line: int | None = None) -> None:
        self._wanted = wanted
        self._top_line = top_line
        # Its sender would be whoever told us to show something, and Textual lets a message rise no further than that.
        self.post_message(DocumentWanted(wanted).set_sender(self))

    def _clear(self, title: str) -> None:
        self._document, self._seeking = None, 0
        self._title(title)
        self.view.show(None, None)

    def _title(self, title: str) -> None:
        self._heading.update(Content(visible(title)), layout=False)


def _place(hit: Hit) -> tuple[str, int]:
    return hit.file, first_match_line(hit)
