"""Hits and documents made ready for a format: lines numbered, files named by their paths.

Rows are dicts in the shape of `ipc.protocol.Hit`; `body` (the whole text) stands in the place of `snippet`, and
`location` is the file on this machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any


def content(row: dict[str, Any]) -> tuple[str, int]:
    """What a row shows of its document, and the number of its first line."""
    if "body" in row:
        return row["body"], row.get("first_line", 1)
    return row.get("snippet", ""), row.get("line", 1)


def numbered(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows with `12: ` before each line of what they show."""
    for row in rows:
        text, first = content(row)
        name = "body" if "body" in row else "snippet"
        lines = text.removesuffix("\n").split("\n") if text else []
        yield {**row, name: "\n".join(f"{number}: {line}" for number, line in enumerate(lines, first)), "matches": []}


def by_path(rows: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows named by their files instead of address and docid, and the addresses of those whose file is gone."""
    named, gone = [], []
    for row in rows:
        place = row.get("location", "")
        if place and os.path.isfile(place):
            named.append({**row, "file": shown_path(place), "docid": ""})
        else:
            named.append(row)
            gone.append(row["file"])
    return named, gone


def shown_path(place: str) -> str:
    """`./notes/a.md` below the working directory, else the real path from the root."""
    real, here = os.path.realpath(place), os.path.realpath(os.getcwd())
    below = here.rstrip("/") + "/"
    return f"./{real[len(below) :]}" if real.startswith(below) else real
