"""The vectors of the active space in a usearch graph, where there are too many to compare with each: float16, cosine.

What usearch does not do for us (measured, version 2.26.6): it takes a NaN and degrades its neighbourhood; it loads a
file with flipped bytes, or of another dimension, without a word; it saves in place; and its threads share scratch
memory by number, so that two searches at once from Python would meet. Hence the checks and the lock here.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qmd_daemon.store import chunks, flat, generations, stored
from qmd_daemon.store.stored import Found
from qmd_daemon.store.turns import Turns

# Up to so many vectors picked by a filter, each is compared.
EXACT_MAX = 10_000
# Added in one turn: 64 take some 30 ms, for which a search has to wait.
_ADD = 64
_PREFIX, SUFFIX = "vectors-", ".usearch"


class Graph:
    """One generation. Threads may search while one changes it."""

    def __init__(self, path: str, space: chunks.Space | None, files: Sequence[str]) -> None:
        """Load the file, if there is one. Raises ValueError or RuntimeError when it is not what it should be."""
        self._path = path
        self._space = space
        self._turns = Turns()
        self._index: Any = None  # usearch ships no type information
        self._sampled: NDArray[np.float32] | None = None
        self._saves = 0
        if space is not None and files:
            (name,) = files
            self._saves = int(name.removeprefix(_PREFIX).removesuffix(SUFFIX))
            self._index = _new(space.dimension)
            self._index.load(os.path.join(path, name))
            if self._index.ndim != space.dimension or self._index.dtype != _new(space.dimension).dtype:
                raise ValueError(f"{name} has {self._index.ndim} dimensions of {self._index.dtype}")

    # -- Generation ------------------------------------------------------------------------

    def put(self, connection: sqlite3.Connection, ids: Sequence[int]) -> None:
        """Bring these chunks' vectors to what the truth says now."""
        if self._space is None:
            return
        keys, vectors = stored.read(connection, self._space, ids)
        self._remove(ids)
        for start in range(0, len(keys), _ADD):
            self._add(keys[start : start + _ADD].astype(np.uint64), vectors[start : start + _ADD])

    def save(self) -> list[str]:
        """Write all vectors to a new file and make it durable. The old one counts until the new one is announced."""
        if not self.count():
            return []
        self._saves += 1
        name = f"{_PREFIX}{self._saves}{SUFFIX}"
        path = os.path.join(self._path, name)
        with self._turns.patient():
            self._index.save(path)
        generations.sync_file(path)
        return [name]

    def count(self) -> int:
        return 0 if self._index is None else len(self._index)

    def worn(self) -> bool:
        """More than half of it is waste, for removed vectors keep their place; or there are few enough for no graph."""
        return self._index is not None and (
            self._index.stats.nodes > 2 * len(self._index) + EXACT_MAX or 2 * len(self._index) < flat.FLAT_MAX
        )

    def close(self) -> None:
        """Nothing to let go of: a search that still runs keeps the memory until it ends."""

    @property
    def space(self) -> chunks.Space | None:
        """Whose vectors these are."""
        return self._space

    # -- searching -------------------------------------------------------------------------

    def search(self, vector: NDArray[np.float32], k: int, allowed: NDArray[np.int64] | None) -> Found:
        """The `k` nearest chunks with their cosines, best first, among `allowed` (ascending) if that is given."""
        if not self.count() or self._space is None or vector.shape != (self._space.dimension,):
            return []
        if allowed is None:
            return self._nearest(vector, k)
        if len(allowed) <= EXACT_MAX:
            return self._compare(vector, k, allowed)
        wanted = 4 * k
        while wanted < EXACT_MAX:
            found = [hit for hit in self._nearest(vector, wanted) if _within(hit[0], allowed)]
            if len(found) >= k or wanted >= self.count():
                return found[:k]
            wanted *= 4
        return self._compare(vector, k, allowed)

    def usual(self, vector: NDArray[np.float32], allowed: NDArray[np.int64] | None) -> tuple[float, float]:
        """Mean and standard deviation of the cosines to a sample of the vectors, or of the `allowed` ones.

        (0, 0) when there are none.
        """
        if not self.count() or self._space is None or vector.shape != (self._space.dimension,):
            return 0.0, 0.0
        rows = self._sample() if allowed is None else self._rows(allowed[:: -(-len(allowed) // stored.SAMPLE) or 1])[1]
        cosines = rows @ (vector / (np.linalg.norm(vector) or 1.0))
        return (float(cosines.mean()), float(cosines.std())) if len(cosines) else (0.0, 0.0)

    def _sample(self) -> NDArray[np.float32]:
        """The same vectors until there is a change: they take longer to get than to compare with."""
        if self._sampled is None:
            # In the order of usearch's hash table, which is as good as chance, and the same each time.
            with self._turns.urgent():
                keys = np.array(list(self._index.keys[: min(stored.SAMPLE, self.count())]), np.int64)
            self._sampled = self._rows(keys)[1]
        return self._sampled

    def _nearest(self, vector: NDArray[np.float32], k: int) -> Found:
        with self._turns.urgent():
            matches = self._index.search(vector, min(k, len(self._index)), threads=1)
        return _ordered(zip(matches.keys.tolist(), (1.0 - matches.distances).tolist(), strict=True))

    def _compare(self, vector: NDArray[np.float32], k: int, allowed: NDArray[np.int64]) -> Found:
        """Compare with every vector that is allowed."""
        found: Found = []
        query = vector / (np.linalg.norm(vector) or 1.0)
        for start in range(0, len(allowed), EXACT_MAX):
            keys, rows = self._rows(allowed[start : start + EXACT_MAX])
            found += zip(keys, (rows @ query).tolist(), strict=True)
        return _ordered(found)[:k]

    def _rows(self, keys: NDArray[np.int64]) -> tuple[list[int], NDArray[np.float32]]:
        """Those of these vectors that are there, in length 1, and their keys."""
        with self._turns.urgent():
            keys = keys[self._index.contains(keys.astype(np.uint64))] if len(keys) else keys
            got = self._index.get(keys.astype(np.uint64)) if len(keys) else ()
        if not len(got):
            return [], np.empty((0, self._index.ndim), np.float32)
        rows = np.concatenate(got).reshape(len(got), -1).astype(np.float32)  # `stack` takes five times as long
        return keys.tolist(), rows / np.maximum(np.linalg.norm(rows, axis=1), 1e-6)[:, None]

    # -- changing --------------------------------------------------------------------------

    def _remove(self, ids: Sequence[int]) -> None:
        if self._index is not None:
            with self._turns.patient():
                self._index.remove(np.array(ids, np.uint64))
                self._sampled = None

    def _add(self, keys: NDArray[np.uint64], vectors: NDArray[np.float16]) -> None:
        if self._index is None and self._space is not None:
            self._index = _new(self._space.dimension)
        with self._turns.patient():
            self._index.add(keys, vectors, threads=1)
            self._sampled = None


def _new(dimension: int) -> Any:
    from usearch.index import Index  # 60 to 240 ms: not for who has no vectors

    return Index(ndim=dimension, metric="cos", dtype="f16", connectivity=16, expansion_add=128, expansion_search=512)


def _ordered(hits: Iterable[tuple[int, float]]) -> Found:
    """Best first; equals by id, so that an index that was rebuilt answers alike."""
    return sorted(hits, key=lambda hit: (-hit[1], hit[0]))


def _within(key: int, allowed: NDArray[np.int64]) -> bool:
    place = int(np.searchsorted(allowed, key))
    return place < len(allowed) and int(allowed[place]) == key
