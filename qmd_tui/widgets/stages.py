"""The line below the input: what the answer shown is made of, or why there is none."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from ipc.errors import QmdError
from ipc.protocol import Stage
from qmd_tui.language import N_, tr, trn
from qmd_tui.messages import Answered
from qmd_tui.told import error_text, phrase
from qmd_tui.widgets.text import visible

STAGES = {
    "lexical": N_("lexical"),
    "vector": N_("vectors"),
    "expand": N_("expansion"),
    "fusion": N_("fusion"),
    "rerank": N_("rerank"),
}
# The order that is shown, where it says more than the one stage that ran.
_ORDERS = {"fused": N_("fused"), "reranked": N_("reranked")}
_SEPARATOR = " · "


class StageLine(Static):
    """Says which stages ran, how long each took and why one did not; an error in place of that."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name for it
        super().__init__(id=id, markup=False)
        self._shown: Answered | QmdError | None = None
        self.picked = 0

    def show_answer(self, answer: Answered) -> None:
        self._shown = answer
        self.show_again()

    def show_error(self, error: QmdError) -> None:
        self._shown = error
        self.show_again()

    def clear(self) -> None:
        self._shown = None
        self.show_again()

    def show_picked(self, count: int) -> None:
        self.picked = count
        self.show_again()

    def show_again(self) -> None:
        """In the language that is spoken now."""
        if isinstance(self._shown, QmdError):
            self._put(Content.styled(error_text(self._shown), "$error"))
            return
        parts = [summary(self._shown)] if self._shown is not None else []
        if self.picked:
            parts.insert(0, Content.styled(trn("{count} picked", "{count} picked", self.picked), "$accent"))
        self._put(Content(_SEPARATOR).join(parts))

    def _put(self, content: Content) -> None:
        """The screen is laid out anew only where this takes another line than before: it changes with every key."""
        width = self.content_size.width
        lines = -(-content.cell_length // width) if width else 0
        self.update(content, layout="\n" in content.plain or max(lines, 1) != self.size.height)


def summary(answer: Answered) -> Content:
    """Such as `12 results · lexical 3 ms · vectors 12 ms · fused`."""
    reply = answer.reply
    parts: list[Content | str | tuple[str, str]] = [trn("{count} result", "{count} results", len(reply.results))]
    for stage in reply.stages:
        if stage.name != "fusion" or not stage.ran:  # that it ran is what "fused" says
            parts += [_SEPARATOR, _stage(stage)]
    if reply.stage in _ORDERS:
        parts += [_SEPARATOR, (tr(_ORDERS[reply.stage]), "bold")]
    if not answer.final:
        parts += [_SEPARATOR, "…"]
    for note in reply.notes:
        if not any(stage.reason and stage.reason.rstrip(".") in note for stage in reply.stages):
            parts += [_SEPARATOR, (visible(phrase(note)), "$warning")]
    return Content.assemble(*parts)


def _stage(stage: Stage) -> Content | str:
    name = tr(STAGES[stage.name])
    if stage.ran:
        return f"{name} {milliseconds(stage.ms)}"
    return Content.styled(f"{name}: {phrase(stage.reason or 'left out')}", "$warning")


def milliseconds(value: float) -> str:
    return f"{value:.1f} ms" if value < 9.95 else f"{value:.0f} ms"
