"""The line below the input: what the answer shown is made of, or why there is none."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from ipc.errors import QmdError
from ipc.protocol import Stage
from qmd_tui.messages import Answered
from qmd_tui.output import safe
from qmd_tui.widgets.text import visible

_NAMES = {"lexical": "lexical", "vector": "vectors", "expand": "expansion", "fusion": "fusion", "rerank": "rerank"}
_SEPARATOR = " · "


class StageLine(Static):
    """Says which stages ran, how long each took and why one did not; an error in place of that."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name for it
        super().__init__(id=id, markup=False)

    def show_answer(self, answer: Answered) -> None:
        self.update(summary(answer))

    def show_error(self, error: QmdError) -> None:
        self.update(Content.styled(safe.block(str(error)), "$error"))

    def clear(self) -> None:
        self.update("")


def summary(answer: Answered) -> Content:
    """Such as `12 results · lexical 3 ms · vectors 12 ms · fused`."""
    reply = answer.reply
    count = len(reply.results)
    parts: list[Content | str | tuple[str, str]] = [f"{count} result{'' if count == 1 else 's'}"]
    for stage in reply.stages:
        if stage.name != "fusion" or not stage.ran:  # that it ran is what "fused" says
            parts += [_SEPARATOR, _stage(stage)]
    if reply.stage in {"fused", "reranked"}:
        parts += [_SEPARATOR, (reply.stage, "bold")]
    if not answer.final:
        parts += [_SEPARATOR, "…"]
    told = {stage.reason for stage in reply.stages}
    for note in reply.notes:
        if note not in told:
            parts += [_SEPARATOR, (visible(note), "$warning")]
    return Content.assemble(*parts)


def _stage(stage: Stage) -> Content | str:
    name = _NAMES[stage.name]
    if stage.ran:
        return f"{name} {milliseconds(stage.ms)}"
    return Content.styled(f"{name}: {visible(stage.reason) or 'left out'}", "$warning")


def milliseconds(value: float) -> str:
    return f"{value:.1f} ms" if value < 9.95 else f"{value:.0f} ms"
