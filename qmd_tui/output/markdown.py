"""Markdown, as an agent or a note takes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from qmd_tui.output import safe, shape

_FENCES = re.compile("`{3,}")


def search(hits: Iterable[dict[str, Any]]) -> str:
    """For each hit a rule, its title, its address, docid and context, and the snippet in a fence."""
    return "\n\n".join("\n".join(_hit(hit)) for hit in hits)


def documents(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """For each document `## address`, its docid and context, and its text in a fence or the reason why it has none."""
    for row in rows:
        yield "\n".join([f"## {safe.line(row['file'])}", "", *_facts(row), "", *_text(row), ""])


def _hit(hit: dict[str, Any]) -> Iterator[str]:
    yield "---"
    yield f"# {safe.line(hit['title'])}"
    yield f"**file:** `{safe.line(hit['file'])}`"
    yield from _facts(hit)
    yield f"**line:** {hit['line']} **score:** {hit['score']:.2f}"
    yield ""
    yield from _text(hit)


def _facts(row: dict[str, Any]) -> Iterator[str]:
    if row["docid"]:
        yield f"**docid:** `{safe.line(row['docid'])}`"
    if row["context"]:
        yield f"**context:** {safe.line(' '.join(row['context'].split()))}"


def _text(row: dict[str, Any]) -> list[str]:
    if row.get("skipped"):
        return [f"[SKIPPED: {row['reason']}]"]
    text = safe.block(shape.content(row)[0]).rstrip("\n")
    # Longer than any fence in the text, which would end it.
    fence = "`" * max([3, *(len(match[0]) + 1 for match in _FENCES.finditer(text))])
    return [fence, text, fence] if text else []
