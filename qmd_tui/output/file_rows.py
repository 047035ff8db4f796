"""One line a file, for programs that read lines: docid, score, address and context."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from qmd_tui.output import safe


def search(hits: Iterable[dict[str, Any]]) -> str:
    """`#a1b2c3,0.87,qmd://notes/a.md,"context"`; the docid is left out where there is none, as is the context."""
    return "\n".join(_joined(hit["docid"], f"{hit['score']:.2f}", hit["file"], _context(hit)) for hit in hits)


def documents(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """`#a1b2c3,qmd://notes/a.md,"context",[SKIPPED]`, the last two where they apply."""
    for row in rows:
        yield _joined(row["docid"], row["file"], _context(row), "[SKIPPED]" if row.get("skipped") else "")


def _joined(*parts: str) -> str:
    return safe.line(",".join(part for part in parts if part))


def _context(row: dict[str, Any]) -> str:
    context = " ".join(row["context"].split()).replace('"', '""')
    return f'"{context}"' if context else ""
