"""The answers of a search as text for a person. Hits are dicts in the shape of `ipc.protocol.Hit`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from qmd_tui.output import safe, shape
from qmd_tui.output.style import Style


def text(hits: Sequence[dict[str, Any]], style: Style) -> str:
    """All hits, best first, with an empty line between two."""
    return "\n\n".join("\n".join(_hit(hit, style)) for hit in hits)


def stages(found: Iterable[dict[str, Any]]) -> str:
    """One line that says what ran: `lexical 20 in 1.2 ms · vector: left out (no model)`."""
    return " · ".join(
        f"{stage['name']} {stage['count']} in {stage['ms']:.1f} ms"
        if stage["ran"]
        else f"{stage['name']}: left out ({stage['reason'] or 'not needed'})"
        for stage in found
    )


def _hit(hit: dict[str, Any], style: Style) -> Iterator[str]:
    address = style.link(style.address(safe.line(f"{hit['file']}:{hit['line']}")), hit.get("link", ""))
    relevance = hit.get("relevance")
    likely = "" if relevance is None else style.dim(f" (relevance {relevance:.0%})")
    docid = style.dim(safe.line(hit["docid"])) + " " if hit["docid"] else ""
    yield f"{address} {docid}{style.percent(hit['score'])}{likely}"
    yield style.bold(safe.line(hit["title"]))
    if context := hit.get("context"):
        yield style.dim(f"Context: {safe.line(' '.join(context.split()))}")
    yield from _snippet(hit, style)
    if hit.get("explain"):
        yield from _explain(hit["explain"], style)


def _snippet(hit: dict[str, Any], style: Style) -> Iterator[str]:
    """The lines of the snippet, or of the whole text, with their numbers in the file and the matches marked."""
    text, first = shape.content(hit)
    text = safe.block(text).rstrip("\n")
    if not text:
        return
    lines = text.split("\n")
    if total := hit.get("total_lines"):
        before, after = first - 1, max(0, total - (first - 1) - len(lines))
        yield style.dim(f"@@ -{first},{len(lines)} @@ ({before} before, {after} after)")
    width = len(str(first + len(lines) - 1))
    start = 0
    matches = () if "body" in hit else hit.get("matches", ())  # they are places in the snippet
    for number, content in enumerate(lines, first):
        gutter = style.dim(f"{number:>{width + 2}} │")
        yield f"{gutter} {_marked(content, start, matches, style)}".rstrip()
        start += len(content) + 1


def _marked(content: str, start: int, matches: Iterable[Sequence[int]], style: Style) -> str:
    """One line, which begins at character `start` of the snippet, with the parts of `matches` that are in it marked."""
    pieces: list[str] = []
    at = 0
    for begin, end in sorted((max(m[0] - start, 0), min(m[1] - start, len(content))) for m in matches):
        begins = max(begin, at)
        if begins < end:
            pieces += [content[at:begins], style.match(content[begins:end])]
            at = end
    return "".join([*pieces, content[at:]])


def _explain(explain: dict[str, Any], style: Style) -> Iterator[str]:
    for part in explain.get("contributions", ()):
        where = f"{part['list']} rank {part['rank']}, score {part['score']:.3f}, RRF {part['rrf']:.4f}"
        if share := part.get("share"):
            where += f", gives {share:.3f}"
        yield style.dim(f"  explain: {safe.line(where)}")
    if explain.get("rerank") is not None:
        fused, rerank, trust = explain["fused"], explain["rerank"], explain["trust"]
        yield style.dim(f"  explain: {trust:.2f} of fused {fused:.3f}, {1 - trust:.2f} of reranked {rerank:.3f}")
    if (coverage := explain.get("coverage")) is not None:
        judged = f"words cover {coverage:.0%}"
        if (cosine := explain.get("cosine")) is not None:
            judged += f"; cosine {cosine:.3f}, usually {explain['usual_cosine']:.3f} ± {explain['spread']:.3f}"
        yield style.dim(f"  explain: {judged}")
    if terms := explain.get("matched_terms"):
        yield style.dim(f"  explain: matched {safe.line(' '.join(terms))}")
