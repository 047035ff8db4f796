"""Many documents at once: what lies below a place, what a pattern matches, what a list names.

Functions over a connection. Rows are plain dictionaries, as in `reading`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ipc.errors import QmdError
from ipc.paths import DEFAULT_INDEX
from qmd_daemon.store import documents

_GLOB = "*?[{"


def entries(connection: sqlite3.Connection, collection: str, below: str, index: str) -> list[dict[str, Any]]:
    """The documents of a collection at or below a path, in the order of their paths, without their texts."""
    below = below.strip("/")
    rows = connection.execute(
        "SELECT path, title, hash, size, mtime_ns FROM documents WHERE collection = ?1"
        " AND (?2 = '' OR path = ?2 OR substr(path, 1, length(?2) + 1) = ?2 || '/') ORDER BY path",
        (collection, below),
    )
    return [
        {
            "file": documents.uri(collection, path, index),
            "docid": documents.docid(content),
            "title": title,
            "size_bytes": size,
            "modified_at": mtime_ns / 1e9,
        }
        for path, title, content, size, mtime_ns in rows
    ]


def is_glob(pattern: str) -> bool:
    """Whether this is a pattern, and not a list of names."""
    return any(character in pattern for character in _GLOB)


def matching(connection: sqlite3.Connection, matches: Callable[[str], bool]) -> list[documents.Stored]:
    """The documents whose path, or `collection/path`, matches."""
    found = [documents.Stored(*row) for row in connection.execute(documents.SELECT + "ORDER BY collection, path")]
    return [one for one in found if matches(one.path) or matches(f"{one.collection}/{one.path}")]


def named(connection: sqlite3.Connection, refs: Sequence[str]) -> tuple[list[documents.Stored], list[QmdError]]:
    """The documents that a list names, each once, in its order; and what is wrong with the other names."""
    found: dict[int, documents.Stored] = {}
    wrong: list[QmdError] = []
    for ref in refs:
        try:
            document, _, _ = documents.find(connection, ref)
        except QmdError as error:
            message = f"File not found: {ref}." if error.code == "not_found" else error.message
            wrong.append(QmdError(error.code, message, error.hint))
        else:
            found.setdefault(document.id, document)
    return list(found.values()), wrong


def bodies(
    connection: sqlite3.Connection,
    found: Sequence[documents.Stored],
    *,
    max_lines: int | None = None,
    max_bytes: int | None = None,
    index: str = DEFAULT_INDEX,
) -> Iterator[dict[str, Any]]:
    """A row for each document with its text in `body`, or with the `reason` why that was `skipped`."""
    roots = places(connection)
    for one in found:
        text = documents.text(connection, one.hash)
        size = len(text.encode())
        row = {
            "file": documents.uri(one.collection, one.path, index),
            "docid": documents.docid(one.hash),
            "title": one.title,
            "context": documents.context(connection, one.collection, one.path),
            "location": os.path.join(roots.get(one.collection, ""), one.path),
        }
        if max_bytes is not None and size > max_bytes:
            yield {**row, "skipped": True, "reason": f"{size} bytes, over the limit of {max_bytes}"}
            continue
        lines = text.removesuffix("\n").split("\n")
        yield {**row, "body": "\n".join(lines[:max_lines]), "first_line": 1, "total_lines": len(lines)}


def places(connection: sqlite3.Connection) -> dict[str, str]:
    """The directory of each collection, by name."""
    return dict(connection.execute("SELECT name, path FROM collections").fetchall())
