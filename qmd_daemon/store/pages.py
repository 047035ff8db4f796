"""Long texts once more, in pages of whole lines: who reads a screen of fifty megabytes reads a page, or two."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

# Characters. A text that is shorter is read whole: that takes a few milliseconds.
LONG = 1_000_000
PAGE = 64_000


class Lines(NamedTuple):
    """Some lines of a text, and how many it has."""

    text: str
    total: int


def put(connection: sqlite3.Connection, hash: str, text: str) -> None:  # noqa: A002 - it is what the column is called
    """Keep the pages of a content, if it is long. They go with it."""
    if len(text) >= LONG:
        rows = ((hash, line, page) for line, page in _cut(text))
        connection.executemany("INSERT INTO pages VALUES (?, ?, ?)", rows)


def read(connection: sqlite3.Connection, hash: str, first: int, count: int | None) -> Lines | None:  # noqa: A002
    """`count` lines from `first` (from 1) on, without the last one's end; None for a text that has no pages."""
    last = connection.execute(
        "SELECT line, text FROM pages WHERE hash = ? ORDER BY line DESC LIMIT 1", (hash,)
    ).fetchone()
    if last is None:
        return None
    total = last[0] + len(_lines(last[1])) - 1
    stop = total + 1 if count is None else min(first + count, total + 1)
    pages = connection.execute(
        "SELECT line, text FROM pages WHERE hash = ?1 AND line < ?3"
        " AND line >= (SELECT max(line) FROM pages WHERE hash = ?1 AND line <= ?2) ORDER BY line",
        (hash, first, stop),
    ).fetchall()
    if not pages:  # past the end
        return Lines("", total)
    begin = pages[0][0]
    part = _lines("".join(page for _, page in pages))
    return Lines("\n".join(part[first - begin : stop - begin]), total)


def lines(text: str, first: int, count: int | None) -> Lines:
    """The same of a text that is here whole."""
    every = _lines(text)
    stop = len(every) if count is None else first - 1 + count
    return Lines("\n".join(every[first - 1 : stop]), len(every))


def _cut(text: str) -> Iterator[tuple[int, str]]:
    """The pages, and the line (from 1) that each begins with. A longer line is a page of its own."""
    line, start = 1, 0
    while start < len(text):
        stop = text.find("\n", min(start + PAGE, len(text))) + 1 or len(text)
        yield line, text[start:stop]
        line += text.count("\n", start, stop)
        start = stop


def _lines(text: str) -> list[str]:
    """A text ends with a newline, not with an empty line."""
    return text.removesuffix("\n").split("\n") if text else []
