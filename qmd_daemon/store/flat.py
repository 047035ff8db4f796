"""The vectors of the active space in one matrix: each is compared, so nothing is missed, and nothing has to be built.

Roughly with all, by int8, and exactly with those that may be among the best.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qmd_daemon.store import chunks, generations, stored
from qmd_daemon.store.quantised import quantised
from qmd_daemon.store.stored import Found

# Up to so many vectors in all. 100,000 of 384 dimensions take 5 ms on one core, and the graph 3, which misses some
# where passages are much alike.
FLAT_MAX = 150_000
# Up to so many that a filter leaves are compared as they are stored.
_FEW = 1000
_PREFIX, SUFFIX = "vectors-", ".npy"


class Flat:
    """One generation. Threads may search while one changes it."""

    def __init__(self, path: str, space: chunks.Space | None, files: Sequence[str]) -> None:
        """Load the file, if there is one. Raises ValueError or OSError when it is not what it should be."""
        self._path = path
        self._space = space
        self._saves = 0
        dimension = space.dimension if space else 0
        self._table = quantised(np.empty(0, np.int64), np.empty((0, dimension), np.float16))
        if space is not None and files:
            (name,) = files
            self._saves = int(name.removeprefix(_PREFIX).removesuffix(SUFFIX))
            with open(os.path.join(path, name), "rb") as file:
                keys, rows = np.load(file), np.load(file)
            if rows.dtype != np.float16 or rows.shape != (len(keys), dimension):
                raise ValueError(f"{name} has {rows.shape[-1]} dimensions of {rows.dtype}")
            self._table = quantised(keys, rows)

    # -- Generation ------------------------------------------------------------------------

    def put(self, connection: sqlite3.Connection, ids: Sequence[int]) -> None:
        """Bring these chunks' vectors to what the truth says now."""
        if self._space is None:
            return
        keys, rows = stored.read(connection, self._space, ids)
        table = self._table.without(self._table.places(np.unique(np.array(ids, np.int64))))
        self._table = table.merged(quantised(keys, rows))

    def save(self) -> list[str]:
        """Write all vectors to a new file and make it durable. The old one counts until the new one is announced."""
        if not self.count():
            return []
        self._saves += 1
        name = f"{_PREFIX}{self._saves}{SUFFIX}"
        path = os.path.join(self._path, name)
        with open(path, "wb") as file:
            np.save(file, self._table.keys)
            np.save(file, self._table.rows)
        generations.sync_file(path)
        return [name]

    def count(self) -> int:
        return len(self._table.keys)

    def worn(self) -> bool:
        """So many are better searched by graph."""
        return self.count() > FLAT_MAX

    def close(self) -> None:
        """Nothing to let go of: a search that still runs keeps the memory until it ends."""

    @property
    def space(self) -> chunks.Space | None:
        """Whose vectors these are."""
        return self._space

    # -- searching -------------------------------------------------------------------------

    def search(self, vector: NDArray[np.float32], k: int, allowed: NDArray[np.int64] | None) -> Found:
        """The `k` nearest chunks with their cosines, best first, among `allowed` (ascending) if that is given.

        Equals by chunk, so that an index that was rebuilt answers alike.
        """
        table = self._table
        if self._space is None or vector.shape != (self._space.dimension,):
            return []
        query = _unit(vector)
        places = np.arange(len(table.keys)) if allowed is None else table.places(allowed)
        if len(places) > max(_FEW, k):
            estimates, doubt = table.estimates(query)
            some = estimates if allowed is None else estimates[places]
            places = places[_likely(some, k, doubt)]
        cosines = table.cosines(query, places)
        best = np.lexsort((places, -cosines))[:k]
        return list(zip(table.keys[places[best]].tolist(), cosines[best].tolist(), strict=True))

    def usual(self, vector: NDArray[np.float32], allowed: NDArray[np.int64] | None) -> tuple[float, float]:
        """Mean and standard deviation of the cosines to a sample of the vectors, or of the `allowed` ones.

        (0, 0) when there are none.
        """
        table = self._table
        if self._space is None or vector.shape != (self._space.dimension,):
            return 0.0, 0.0
        places = np.arange(len(table.keys)) if allowed is None else table.places(allowed)
        sample = places[:: -(-len(places) // stored.SAMPLE) or 1]
        cosines = table.cosines(_unit(vector), sample)
        return (float(cosines.mean()), float(cosines.std())) if len(cosines) else (0.0, 0.0)


def _likely(estimates: NDArray[np.float32], k: int, doubt: float) -> NDArray[np.intp]:
    """The places of those that may be among the `k` best."""
    least = np.partition(estimates, len(estimates) - k)[len(estimates) - k]
    return np.flatnonzero(estimates >= least - 2 * doubt)


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return (vector / (np.linalg.norm(vector) or 1.0)).astype(np.float32)
