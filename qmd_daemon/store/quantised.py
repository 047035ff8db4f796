"""Vectors twice: as they are stored, in float16, and in int8, to compare a query with all of them.

Comparing reads every vector, so that what it takes is the bandwidth of memory: int8 is half of float16, and a quarter
of float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Rounding errors have nothing to do with the query: the error of a cosine is normally distributed, with a standard
# deviation of the length of the error by the root of the dimension. It is above six of them once in 5e8.
_SIGMAS = 6.0
_LEVELS = 127
# Quantised in one go: their float32 are 15 MB.
_BLOCK = 10_000


class Quantised(NamedTuple):
    """n vectors, by ascending key, as one moment has them: arrays are replaced, and what was in them never changed."""

    keys: NDArray[np.int64]  # n
    rows: NDArray[np.float16]  # n x dimension, as stored
    lengths: NDArray[np.float32]  # n
    codes: NDArray[np.int8]  # n x dimension: a vector of length 1 is about steps * codes
    steps: NDArray[np.float32]  # n
    errors: NDArray[np.float32]  # n: the length of what that leaves out

    def places(self, keys: NDArray[np.int64]) -> NDArray[np.intp]:
        """Where those of these keys are that are there."""
        places = np.searchsorted(self.keys, keys)
        there = places < len(self.keys)
        places, keys = places[there], keys[there]
        found: NDArray[np.intp] = places[self.keys[places] == keys]
        return found

    def cosines(self, query: NDArray[np.float32], places: NDArray[np.intp]) -> NDArray[np.float32]:
        """Of these vectors to a query of length 1, as exactly as float16 has them."""
        products: NDArray[np.float32] = self.rows[places].astype(np.float32) @ query
        return products / self.lengths[places]

    def estimates(self, query: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        """The cosines of all to a query of length 1, by int8, and how much one of them may be off."""
        from numkong import cdist  # the kernels of usearch: not for who has no vectors

        codes, steps, errors = _quantise(query[None])
        products = np.asarray(cdist(codes, self.codes, metric="dot"), np.float32)[0]
        doubt = _SIGMAS * (self.errors.max() + errors[0]) / np.sqrt(len(query))
        return products * (self.steps * steps[0]), float(doubt)

    def without(self, places: NDArray[np.intp]) -> Quantised:
        return self._map(lambda array: np.delete(array, places, axis=0)) if len(places) else self

    def merged(self, more: Quantised) -> Quantised:
        """With others, none of which is there. Only one may be made of each this way, for it may use its room."""
        if not len(self.keys) or not len(more.keys) or self.keys[-1] < more.keys[0]:
            return self._map(_behind, more)
        order = np.argsort(np.concatenate((self.keys, more.keys)))
        return self._map(lambda one, other: np.concatenate((one, other))[order], more)

    def _map(self, change: Callable[..., NDArray[Any]], *others: Quantised) -> Quantised:
        return Quantised(*map(change, self, *others))


def quantised(keys: NDArray[np.int64], rows: NDArray[np.float16]) -> Quantised:
    """These vectors, by ascending key."""
    parts = []
    for start in range(0, max(len(rows), 1), _BLOCK):
        block = rows[start : start + _BLOCK].astype(np.float32)
        lengths = np.maximum(np.linalg.norm(block, axis=1), 1e-6)
        parts.append((lengths, *_quantise(block / lengths[:, None])))
    lengths, codes, steps, errors = (np.concatenate(some) for some in zip(*parts, strict=True))
    return Quantised(keys, rows, lengths, codes, steps, errors)


def _quantise(rows: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]]:
    """Each row as whole numbers of its own steps; the steps, and the lengths of what that leaves out."""
    steps = np.maximum(np.abs(rows).max(axis=1, initial=0) / _LEVELS, 1e-9).astype(np.float32)
    codes = np.rint(rows / steps[:, None]).astype(np.int8)
    return codes, steps, np.linalg.norm(rows - codes * steps[:, None], axis=1).astype(np.float32)


def _behind(array: NDArray[Any], more: NDArray[Any]) -> NDArray[Any]:
    """The array with more rows behind it: in place, where it has room, for copying it takes longer than all else.

    Whoever reads the array meanwhile does not read that far.
    """
    used, wanted = len(array), len(array) + len(more)
    base = array.base
    if base is None or base.dtype != array.dtype or base.shape[1:] != array.shape[1:] or len(base) < wanted:
        base = np.empty((max(wanted, 2 * used), *array.shape[1:]), array.dtype)
        base[:used] = array
    base[used:wanted] = more
    return base[:wanted]
