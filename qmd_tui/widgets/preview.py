"""The document of the selected hit, at the lines that matched."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from ipc.errors import QmdError
from ipc.protocol import DocumentReply, Hit
from qmd_tui.messages import DocumentWanted, Wanted
from qmd_tui.widgets.document import DocumentView
from qmd_tui.widgets.hit import first_match_line
from qmd_tui.widgets.text import visible


class Preview(Vertical):
    """A title, and the document below it. Asks for lines with `DocumentWanted`, and is handed them with `load`."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name for it
        super().__init__(id=id)
        self.hit: Hit | None = None
        self._wanted: Wanted | None = None
        self._top_line: int | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="preview-title", markup=False)
        yield DocumentView()

    @property
    def view(self) -> DocumentView:
        return self.query_one(DocumentView)

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
            self._title(f"{document.collection}/{document.path} · {document.total_lines:,} lines")
            self.view.show(document, self.hit, top_line=self._top_line)

    def fail(self, wanted: Wanted, error: QmdError) -> None:
        if wanted == self._wanted:
            self._clear(str(error))

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
        self._title(title)
        self.view.show(None, None)

    def _title(self, title: str) -> None:
        self.query_one("#preview-title", Static).update(Content(visible(title)))


def _place(hit: Hit) -> tuple[str, int]:
    return hit.file, first_match_line(hit)
