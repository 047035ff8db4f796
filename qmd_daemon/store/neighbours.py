"""How the vectors are derived: in a matrix, or in a graph where there are too many to compare with each."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TypeAlias

from qmd_daemon.store import changes, chunks, flat, graph
from qmd_daemon.store.flat import Flat
from qmd_daemon.store.graph import Graph

FORMAT = 2

Neighbours: TypeAlias = Flat | Graph


class NeighboursKind:
    """Which of the two a generation is, its file tells; a new one is what suits their number."""

    name = "vectors"
    kind: changes.Kind = "vector"
    in_place = False

    def version(self, connection: sqlite3.Connection) -> str:
        space = chunks.active(connection)
        return f"{FORMAT}/{space.fingerprint}/{space.dimension}" if space else f"{FORMAT}/none"

    def open(self, connection: sqlite3.Connection, path: str, files: Sequence[str]) -> Neighbours:
        many = files[0].endswith(graph.SUFFIX) if files else self.total(connection) > flat.FLAT_MAX
        kind = Graph if many else Flat
        return kind(path, chunks.active(connection), files)

    def ids(self, connection: sqlite3.Connection, after: int, limit: int) -> list[int]:
        space = chunks.active(connection)
        rows = connection.execute(
            "SELECT vectors.chunk FROM vectors CROSS JOIN chunks ON chunks.id = vectors.chunk"
            " WHERE vectors.chunk > ? AND space = ? ORDER BY vectors.chunk LIMIT ?",
            (after, space.id if space else 0, limit),
        )
        return [row[0] for row in rows]

    def total(self, connection: sqlite3.Connection) -> int:
        return chunks.vectors(connection)
