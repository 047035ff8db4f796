"""What people are told of an index: a document's lines, what is in it, which collections there are.

Rows are plain dictionaries in the shape of the structs of `ipc.protocol`, the same for the daemon and for commands
that read the index themselves. Standard library only.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import Any

from ipc.errors import QmdError
from qmd_daemon.store import documents, meta, pages


def document(
    connection: sqlite3.Connection, ref: str, from_line: int | None, max_lines: int | None, index: str
) -> dict[str, Any]:
    """Lines of the document that `ref` means; a line and a count given apart win over those in `ref`.

    Raises QmdError: not_found or conflict, as `documents.find` does.
    """
    found, line, count = documents.find(connection, ref)
    first = from_line or line or 1
    shown = pages.read(connection, found.hash, first, max_lines or count) or pages.lines(
        documents.text(connection, found.hash), first, max_lines or count
    )
    root = next((one.path for one in documents.collections(connection) if one.name == found.collection), "")
    return {
        "docid": documents.docid(found.hash),
        "file": documents.uri(found.collection, found.path, index),
        "collection": found.collection,
        "path": found.path,
        "title": found.title,
        "text": shown.text,
        "first_line": first,
        "total_lines": shown.total,
        "location": os.path.join(root, found.path),
        "context": documents.context(connection, found.collection, found.path),
    }


def summary(connection: sqlite3.Connection, index: str, directory: str, names: Sequence[str] = ()) -> dict[str, Any]:
    """What is in these collections of an index (all, if none is named), in the shape of an IndexStatus.

    The size is the index's own in any case.
    """
    # Not at the top: `qmd search` reads this module, and has no use for them.
    from qmd_daemon.store import chunks, intake

    collections = [one for one in documents.collections(connection) if not names or one.name in names]
    return {
        "name": index,
        "path": directory,
        "documents": sum(one.documents for one in collections) if names else _all_documents(connection),
        "chunks": chunks.count(connection, names),
        "vectors": chunks.vectors(connection, names),
        "pending": chunks.pending_documents(connection, names),
        "size_bytes": _size_bytes(directory),
        "updated_at": float(meta.get(connection, intake.UPDATED, "0")),
        "collections": [one._asdict() for one in collections],
    }


def _all_documents(connection: sqlite3.Connection) -> int:
    """Those of removed collections, too, until they are taken away."""
    return int(connection.execute("SELECT count(*) FROM documents").fetchone()[0])


def chosen(connection: sqlite3.Connection, names: Sequence[str]) -> list[str]:
    """The collections to search: those named, else those included by default; [] means all.

    Raises QmdError("not_found"), with the nearest name, for one that is no collection, and when none is included.
    """
    included = dict(connection.execute("SELECT name, included FROM collections").fetchall())
    for name in names:
        if name not in included:
            from difflib import get_close_matches

            near = get_close_matches(name, included, n=1) or sorted(included)[:5]
            hint = f"Did you mean {', '.join(near)}?" if near else "Add a directory: `qmd collection add PATH`."
            raise QmdError("not_found", f"Collection not found: {name}.", hint)
    if names or all(included.values()):
        return list(names)
    found = [name for name, wanted in included.items() if wanted]
    if not found:
        raise QmdError(
            "not_found", "No collection is searched by default.", "Name one with -c, or `qmd collection include` it."
        )
    return found


def _size_bytes(directory: str) -> int:
    total = 0
    for place, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:  # replaced meanwhile
                continue
    return total
