"""CSV, with a header line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from qmd_tui.output import safe, shape

_SEARCH = ("docid", "score", "file", "title", "context", "line", "snippet")
_DOCUMENTS = ("docid", "file", "title", "context", "skipped", "body")


def search(hits: Iterable[dict[str, Any]]) -> str:
    """`docid,score,file,title,context,line,snippet`; with `--full`, `snippet` is the whole text."""
    rows = [
        (h["docid"], f"{h['score']:.2f}", h["file"], h["title"], h["context"], str(h["line"]), shape.content(h)[0])
        for h in hits
    ]
    return "\n".join(map(_line, (_SEARCH, *rows)))


def documents(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """`docid,file,title,context,skipped,body`; where `skipped` is true, `body` says why."""
    yield _line(_DOCUMENTS)
    for row in rows:
        skipped = row.get("skipped", False)
        body = row["reason"] if skipped else row["body"]
        flag = "true" if skipped else "false"
        yield _line((row["docid"], row["file"], row["title"], row["context"], flag, body))


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    # The module quotes what holds the line end that it is told of: it must be told of the one that texts have.
    csv.writer(text, lineterminator="\n").writerow([safe.block(cell) for cell in cells])
    return text.getvalue().removesuffix("\n")
