"""JSON for programs: the rows of a search have the names that tobi/qmd gives them, so that its scripts work here."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from qmd_tui.output import safe

_ALWAYS = ("docid", "score", "file", "line", "title")
_IF_ANY = ("context", "snippet", "relevance", "explain")


def search(hits: Iterable[dict[str, Any]]) -> str:
    """A JSON array of `{docid, score, file, line, title, context?, snippet?, relevance?, explain?}`."""
    return encode([_row(hit) for hit in hits])


def encode(value: Any) -> str:
    """Indented JSON, readable Chinese, and nothing in it that a terminal would obey."""
    return safe.json_text(json.dumps(value, ensure_ascii=False, indent=2))


def _row(hit: dict[str, Any]) -> dict[str, Any]:
    row = {key: hit[key] for key in _ALWAYS} | {key: hit[key] for key in _IF_ANY if hit.get(key)}
    row["score"] = round(hit["score"], 2)
    return row
