"""What stands in place of results when there are none: never an empty screen, always the next step."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from ipc.protocol import IndexStatus
from qmd_tui.language import tr, trn
from qmd_tui.messages import ConnectionChanged, Question
from qmd_tui.output import safe
from qmd_tui.widgets.text import visible


class Guide(Static):
    """A few lines in the middle of the empty result area."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name for it
        super().__init__(id=id, markup=False)

    def show(
        self, connection: ConnectionChanged, index: IndexStatus | None, question: Question, answered: bool
    ) -> None:
        self.update(guidance(connection, index, question, answered))


def guidance(connection: ConnectionChanged, index: IndexStatus | None, question: Question, answered: bool) -> Content:
    """The next step. `answered`: the question has got its final answer, without a result."""
    if connection.state == "lost":
        return _lines(tr("The daemon is not there."), safe.block(connection.text))
    if connection.state == "connecting":
        return _lines(tr("Starting the daemon…"), tr("You can type already."))
    if index is not None and not index.collections:
        return _lines(
            tr("Nothing is indexed yet."),
            "",
            Content.styled(tr("Press Enter to choose a folder."), "bold"),
            "",
            tr("Or, from a shell:"),
            Content.styled("qmd collection add PATH", "bold"),
        )
    if not question.text:
        return _start(index)
    if answered:
        nothing = tr("Nothing matches “{query}”.").format(query=visible(question.text))
        return _lines(nothing, _another(question))
    return Content()


def _start(index: IndexStatus | None) -> Content:
    if index is None:
        return Content()
    documents = trn("{count} document", "{count} documents", index.documents)
    collections = trn("{count} collection", "{count} collections", len(index.collections))
    return _lines(
        tr("Type to search {documents} in {collections}.").format(documents=documents, collections=collections),
        tr("F1 shows the keys."),
    )


def _another(question: Question) -> str:
    if question.mode == "search":
        return tr("Ctrl+S searches by meaning, too.")
    return tr("Fewer or other words may find it.")


def _lines(*lines: str | Content) -> Content:
    return Content("\n").join(lines)
