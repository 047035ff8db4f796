"""What is in an index that nobody needs any more. `ingest.cleanup` takes it away. Standard library only."""

from __future__ import annotations

import sqlite3

from qmd_daemon.store import meta


def count(connection: sqlite3.Connection) -> dict[str, int]:
    """`documents` of collections that are no more, `contents` that no document has, `chunks` of models not in use."""
    space = meta.get(connection, "space", "0")
    return {
        "documents": _number(connection, "documents WHERE collection NOT IN (SELECT name FROM collections)"),
        "contents": _number(
            connection, "contents WHERE NOT EXISTS (SELECT 1 FROM documents d WHERE d.hash = contents.hash)"
        ),
        "chunks": _number(connection, f"chunks WHERE space <> {int(space)}"),
    }


def _number(connection: sqlite3.Connection, what: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0])  # noqa: S608 - no word of it is a user's
