"""Why a hit is where it is, and what the search took: a small waterfall in place of the preview."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from ipc.protocol import Explain, Hit, SearchReply, Stage
from qmd_tui.language import N_, tr
from qmd_tui.told import phrase
from qmd_tui.widgets.hit import place
from qmd_tui.widgets.stages import STAGES, milliseconds
from qmd_tui.widgets.text import padded, shorten, visible

_BAR = "█"
_LISTS = {"lexical": N_("words"), "vector": N_("meaning")}
_NAME_CELLS = 14


class ExplainView(VerticalScroll, can_focus=False):
    """Told which hit and which answer; shows its trace, as far down as it is scrolled."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name for it
        super().__init__(id=id)
        self._hit: Hit | None = None
        self._reply: SearchReply | None = None

    def compose(self) -> ComposeResult:
        yield Static(markup=False)

    def show(self, hit: Hit | None, reply: SearchReply | None) -> None:
        if hit is not self._hit:
            self.scroll_home(animate=False)
        self._hit, self._reply = hit, reply
        self._fill()

    def on_resize(self) -> None:
        self._fill()

    def _fill(self) -> None:
        lines = [] if self._hit is None else trace(self._hit, self._reply, max(self.content_size.width - 1, 20))
        self.query_one(Static).update(Content("\n").join(lines))


def trace(hit: Hit, reply: SearchReply | None, width: int) -> list[Content]:
    """The lines of the trace: the ranked lists that found it, how they add up, the reranker, and the time."""
    title = shorten(visible(hit.title or hit.path), width)
    lines = [
        Content.styled(title, "bold"),
        Content(shorten(place(hit), width)),
    ]
    if hit.explain is None:
        lines += [Content(""), Content(tr("This answer came without a trace."))]
    else:
        lines += [Content(""), *_ranks(hit.explain, width), Content(""), *_score(hit, hit.explain)]
    if reply is not None:
        lines += [Content(""), Content.styled(tr("Time"), "bold"), *_waterfall(reply.stages, width)]
    return lines


def _ranks(explain: Explain, width: int) -> list[Content]:
    lines = [Content.styled(tr("Found by"), "bold")]
    most = max((part.share for part in explain.contributions), default=0.0) or 1.0
    for part in explain.contributions:
        name = tr(_LISTS[part.list]) if part.list in _LISTS else visible(part.list)
        told = f"#{part.rank:<3} rrf {part.rrf:.4f}  {part.score:<7.3g}"
        bar = _BAR * round(max(width - _NAME_CELLS - cell_len(told) - 3, 0) * part.share / most)
        lines.append(Content.assemble(_padded(name), f" {told} ", (bar, "$accent")))
    if explain.matched_terms:
        words = ", ".join(visible(term) for term in explain.matched_terms)
        lines.append(Content.assemble(_padded(tr("matched")), f" {words}"))
    return lines


def _score(hit: Hit, explain: Explain) -> list[Content]:
    lines = [Content.styled(tr("Score"), "bold")]
    if explain.rerank is not None and explain.fused is not None and explain.trust is not None:
        trust = explain.trust
        sum_ = f"{trust:.2f} × {explain.fused:.3f} + {1 - trust:.2f} × {explain.rerank:.3f} = {hit.score:.3f}"
        lines += [
            Content.assemble(_padded(tr("fused")), f" {explain.fused:.3f}"),
            Content.assemble(_padded(tr("reranker")), f" {explain.rerank:.3f}"),
            Content.assemble(_padded(tr("blend")), f" {sum_}"),
        ]
    else:
        lines.append(Content.assemble(_padded(tr("rank score")), f" {hit.score:.3f}"))
    if hit.relevance is not None:
        lines.append(Content.assemble(_padded(tr("relevance")), f" {hit.relevance:.0%}"))
    if explain.coverage is not None:
        lines.append(Content.assemble(_padded(tr("words")), f" {explain.coverage:.0%}"))
    if explain.cosine is not None and explain.usual_cosine is not None and explain.spread is not None:
        usual = f"{explain.usual_cosine:.2f} ± {explain.spread:.2f}"
        lines.append(
            Content.assemble(
                _padded(tr("cosine")),
                " ",
                tr("{cosine}, usually {usual}").format(cosine=f"{explain.cosine:.2f}", usual=usual),
            )
        )
    return lines


def _waterfall(stages: Sequence[Stage], width: int) -> list[Content]:
    """A bar for each stage, in the order in which they ended, as long as its share of the time."""
    whole = sum(stage.ms for stage in stages if stage.ran) or 1.0
    lines = []
    for stage in stages:
        name = _padded(tr(STAGES[stage.name]))
        if not stage.ran:
            lines.append(Content.assemble(name, (f" {phrase(stage.reason or 'left out')}", "$warning")))
            continue
        told = milliseconds(stage.ms)
        bar = _BAR * max(round((width - _NAME_CELLS - 14) * stage.ms / whole), 1)
        lines.append(Content.assemble(name, f" {told:>8} ", (bar, "$primary")))
    return lines


def _padded(name: str) -> str:
    return padded(shorten(name, _NAME_CELLS), _NAME_CELLS)
