"""Vectors as the truth has them, for what is derived from it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qmd_daemon.store.chunks import Space
from qmd_daemon.store.documents import numbers

# So many vectors tell what is usual: the standard error of their mean is a 14th of their spread.
SAMPLE = 200
# Chunks and their cosines, best first.
Found = list[tuple[int, float]]


def read(
    connection: sqlite3.Connection, space: Space, ids: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """Those of these chunks that have a vector in the space, ascending, and their vectors, one a row.

    Raises ValueError for a vector that is not finite.
    """
    rows = connection.execute(
        # CROSS: in this order. What SQLite takes for better reads a whole table.
        "SELECT vectors.chunk, vector FROM (SELECT DISTINCT value FROM json_each(?)) AS wanted"
        " CROSS JOIN vectors ON vectors.chunk = wanted.value CROSS JOIN chunks ON chunks.id = vectors.chunk"
        " WHERE space = ? ORDER BY vectors.chunk",
        (numbers(ids), space.id),
    ).fetchall()
    vectors = np.frombuffer(b"".join(blob for _, blob in rows), "<f2").reshape(len(rows), space.dimension)
    if not np.isfinite(vectors).all():
        raise ValueError("a stored vector is not finite")
    return np.array([chunk for chunk, _ in rows], np.int64), vectors
