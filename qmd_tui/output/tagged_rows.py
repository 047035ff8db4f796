"""XML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from qmd_tui.output import safe, shape


def search(hits: Iterable[dict[str, Any]]) -> str:
    """`<results>` of `<file docid name title context? line score>`, each with its snippet or text."""
    rows = [
        f'  <file {_names(hit)} line="{hit["line"]}" score="{hit["score"]:.2f}">{_text(shape.content(hit)[0])}</file>'
        for hit in hits
    ]
    return "\n".join(["<results>", *rows, "</results>"]) if rows else "<results></results>"


def documents(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """`<documents>` of `<document docid name title context?>`, each with its text, or `skipped="reason"`."""
    yield "<documents>"
    for row in rows:
        if row.get("skipped"):
            yield f"  <document {_names(row)} skipped={_quoted(row['reason'])}/>"
        else:
            yield f"  <document {_names(row)}>{_text(row['body'])}</document>"
    yield "</documents>"


def _names(row: dict[str, Any]) -> str:
    named = {"docid": row["docid"], "name": row["file"], "title": row["title"], "context": row["context"]}
    return " ".join(f"{name}={_quoted(value)}" for name, value in named.items() if value or name in {"name", "title"})


def _quoted(value: str) -> str:
    # Always in double quotes: what looks for `name="qmd://` shall find it.
    return f'"{quoteattr(safe.block(value), {chr(34): "&quot;"})[1:-1]}"'


def _text(text: str) -> str:
    return escape(safe.block(text))
