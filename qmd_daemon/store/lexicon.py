"""How the lexical index is derived from documents."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence

from qmd_daemon.store import changes, lexical
from qmd_daemon.store.documents import numbers

FORMAT = 1


class Lexicon:
    """One generation: a tantivy index. Its writer, with its threads and memory, lives only while there is work."""

    def __init__(self, path: str, *, create: bool) -> None:
        """Open it, or start an empty one."""
        self._path = path
        self._writer: lexical.LexicalWriter | None = None
        if create:
            lexical.LexicalWriter(path, create=True).close()
        self.reader = lexical.LexicalReader(path)
        self._count = self.reader.count()

    def put(self, connection: sqlite3.Connection, ids: Sequence[int]) -> None:
        """Bring these documents to what the truth says now."""
        if self._writer is None:
            self._writer = lexical.LexicalWriter(self._path, create=False)
        self._writer.remove(ids)
        self._writer.put(_rows(connection, ids))

    def save(self) -> list[str]:
        """Commit, wait for the merges, and show the result to searches."""
        if self._writer is not None:
            self._writer.commit()
            self._count = self._writer.count()
            self._writer.close()
            self._writer = None
            self.reader.reload()
        return [name for name in os.listdir(self._path) if not name.endswith((".lock", ".tmp")) and name != "seen.json"]

    def count(self) -> int:
        return self._count

    def worn(self) -> bool:
        """Never: tantivy's merges drop what was removed."""
        return False

    def close(self) -> None:
        """Let go of the writer. Searches that still run keep the reader."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class LexiconKind:
    """How a Lexicon is derived."""

    name = "lexical"
    kind: changes.Kind = "document"
    in_place = True

    def version(self, connection: sqlite3.Connection) -> str:
        return f"{FORMAT}/{lexical.VERSION}"

    def open(self, connection: sqlite3.Connection, path: str, files: Sequence[str]) -> Lexicon:
        return Lexicon(path, create=not files)

    def ids(self, connection: sqlite3.Connection, after: int, limit: int) -> list[int]:
        rows = connection.execute("SELECT id FROM documents WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return [row[0] for row in rows]

    def total(self, connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT count(*) FROM documents").fetchone()[0])


def _rows(connection: sqlite3.Connection, ids: Sequence[int]) -> Iterator[tuple[int, str, str, str, str]]:
    """One text at a time: five hundred of the largest would be gigabytes."""
    yield from connection.execute(
        "SELECT id, collection, path, title, text FROM documents JOIN contents USING (hash)"
        " WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
        (numbers(ids),),
    )
