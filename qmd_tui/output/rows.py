"""JSON for programs: the rows have the names that tobi/qmd gives them, so that its scripts work here.

docs/output.md describes them. Fields are added, never changed: `VERSION` counts changes of another kind.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from qmd_tui.output import safe

VERSION = 1
_ALWAYS = ("score", "file", "line", "title")
_IF_ANY = ("context", "snippet", "relevance", "explain")
_DOCUMENT = ("file", "docid", "title", "context", "body", "skipped", "reason")


def search(hits: Iterable[dict[str, Any]]) -> str:
    """A JSON array of `{docid, score, file, line, title, context?, snippet?, body?, relevance?, explain?}`."""
    return encode([row(hit) for hit in hits])


def stage(reply: dict[str, Any], *, done: bool) -> str:
    """One line of `--jsonl`: `{version, stage, done, results, stages, notes}`."""
    shown = {
        "version": VERSION,
        "stage": reply["stage"],
        "done": done,
        "results": [row(hit) for hit in reply["results"]],
        "stages": reply["stages"],
        "notes": reply["notes"],
    }
    return line(shown)


def documents(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A JSON array of `{file, docid, title, context?, body}` or, in its place, `{…, skipped: true, reason}`."""
    before = "["
    for each in rows:
        found = {key: each[key] for key in _DOCUMENT if each.get(key) or key == "body" in each}
        yield before + "\n" + line(found)
        before = ","
    yield "[]" if before == "[" else "]"


def line(value: Any) -> str:
    """JSON on one line, as `encode` otherwise."""
    return safe.json_text(json.dumps(value, ensure_ascii=False))


def encode(value: Any) -> str:
    """Indented JSON, readable Chinese, and nothing in it that a terminal would obey."""
    return safe.json_text(json.dumps(value, ensure_ascii=False, indent=2))


def row(hit: dict[str, Any]) -> dict[str, Any]:
    """A hit as `--json` has it."""
    docid = {"docid": hit["docid"]} if hit["docid"] else {}
    kept = docid | {key: hit[key] for key in _ALWAYS} | {key: hit[key] for key in _IF_ANY if hit.get(key)}
    if "body" in hit:
        kept.pop("snippet", None)
        kept["body"] = hit["body"]
    kept["score"] = round(hit["score"], 2)
    return kept
