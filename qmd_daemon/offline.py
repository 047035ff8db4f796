"""What works with no daemon: lexical search, documents and status, read from the index as it lies on disk.

`qmd search` is this and little else: it imports tantivy and the standard library, opens the index read-only, also
while a daemon writes to it, and never writes. Answers are plain dictionaries in the shape of the structs of
`ipc.protocol`, whose import alone would cost half of such a process.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ipc.errors import QmdError
from ipc.paths import DEFAULT_INDEX, Paths
from qmd_daemon.store import documents, generations, migrations, reading

T = TypeVar("T")
# A daemon that checkpoints holds the file for milliseconds.
_BUSY_S = 5.0


def search(
    paths: Paths,
    query: str,
    *,
    top_k: int = 10,
    collections: Sequence[str] = (),
    min_score: float | None = None,
    explain: bool = False,
    index: str = DEFAULT_INDEX,
) -> dict[str, Any]:
    """Search the words of a query; the answer has the shape of a SearchReply.

    Raises QmdError: invalid (the query), not_found (no index, no such collection), unavailable (a damaged index).
    """
    from qmd_daemon.search import hits, syntax

    parsed = syntax.parse(query)
    if not parsed.lexical:
        raise QmdError("invalid", "The query has no `lex:` line.", "`qmd vsearch` and `qmd query` take the others.")
    started = time.perf_counter()
    with _Reading(paths, index) as connection:
        reading.check_collections(connection, collections)
        found = _retry(lambda: hits.lexical(_reader(paths, index), parsed, top_k, collections))
        found = [one for one in found if min_score is None or one.score >= min_score]
        results = hits.rows(connection, found, parsed, index, explain=explain)
    stage = {
        "name": "lexical",
        "ran": True,
        "ms": round((time.perf_counter() - started) * 1000, 2),
        "count": len(results),
        "reason": "",
    }
    return {"results": results, "stage": "lexical", "stages": [stage], "notes": []}


def get(
    paths: Paths,
    ref: str,
    *,
    from_line: int | None = None,
    max_lines: int | None = None,
    index: str = DEFAULT_INDEX,
) -> dict[str, Any]:
    """A document, or some of its lines, in the shape of a DocumentReply.

    Raises QmdError: not_found (with near names), conflict (with the candidates).
    """
    index = documents.index_of(ref) or index
    with _Reading(paths, index) as connection:
        return reading.document(connection, ref, from_line, max_lines, index)


def status(paths: Paths, *, index: str = DEFAULT_INDEX) -> dict[str, Any]:
    """What is in the index, in the shape of an IndexStatus."""
    with _Reading(paths, index) as connection:
        return reading.summary(connection, index, paths.index_dir(index))


def collections(paths: Paths, *, index: str = DEFAULT_INDEX) -> list[dict[str, Any]]:
    """The collections, in the shape of a list of CollectionInfo."""
    found: list[dict[str, Any]] = status(paths, index=index)["collections"]
    return found


class _Reading:
    """A connection that only reads, one snapshot for as long as it is open."""

    def __init__(self, paths: Paths, index: str) -> None:
        self._path = paths.database(index)

    def __enter__(self) -> sqlite3.Connection:
        if not os.path.exists(self._path):
            raise QmdError("not_found", "Nothing is indexed yet.", "Add a directory: `qmd collection add PATH`.")
        try:
            self._connection = sqlite3.connect(f"file:{_quoted(self._path)}?mode=ro", uri=True, timeout=_BUSY_S)
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.Error as error:
            raise QmdError("unavailable", f"The index cannot be read: {error}.", "`qmd update` mends it.") from None
        if version != len(migrations.STEPS):
            self._connection.close()
            hint = "`qmd update` brings it up to date." if version < len(migrations.STEPS) else "Update this program."
            raise QmdError("unavailable", f"The index has schema {version}, not {len(migrations.STEPS)}.", hint)
        self._connection.execute("BEGIN")
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _reader(paths: Paths, index: str) -> Any:
    from qmd_daemon.store.lexical import LexicalReader

    current = generations.current(os.path.join(paths.index_dir(index), "lexical"))
    if current is None:
        raise QmdError("unavailable", "The lexical index is missing.", "`qmd update` builds it again.")
    return LexicalReader(current)


def _retry(work: Callable[[], T]) -> T:
    """Once more when the index was replaced between finding and opening it; then it is damaged."""
    try:
        return work()
    except (ValueError, OSError):
        pass
    try:
        return work()
    except (ValueError, OSError) as error:
        raise QmdError(
            "unavailable", f"The lexical index cannot be read: {error}.", "`qmd update` builds it again."
        ) from None


def _quoted(path: str) -> str:
    """A path in an SQLite URI: these three characters would end it or mean something."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
