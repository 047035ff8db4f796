"""Vectors twice: as they are stored, in float16, and in int8, to compare a query with all of them.

Comparing reads every vector, so that what it takes is the bandwidth of memory: int8 is half of float16, and a quarter
of float32.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Rounding errors have nothing to do with the query: the error of a cosine is normally distributed, with a standard
# deviation of the length of the error by the root of the dimension. It is above six of them once in 5e8.
_SIGMAS = 6.0
_LEVELS = 127
# Quantised in one go: what that takes stays in the processor's cache.
_BLOCK = 500
# Comparing is shared among so many threads at most, each with so many vectors at least: one core does not use all of
# the bandwidth. Two take half of the time of one.
_THREADS = 4
_SHARE = 10_000


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
        products: NDArray[np.float32] = _float32(self.rows[places]) @ query
        return products / self.lengths[places]

    def estimates(self, query: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        """The cosines of all to a query of length 1, by int8, and how much one of them may be off."""
        codes, steps, errors = _quantise(query[None])
        doubt = _SIGMAS * (self.errors.max() + errors[0]) / np.sqrt(len(query))
        return _products(codes, self.codes) * (self.steps * steps[0]), float(doubt)

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
        block = _float32(rows[start : start + _BLOCK])
        lengths = np.maximum(_lengths(block), 1e-6)
        block /= lengths[:, None]
        parts.append((lengths, *_quantise(block)))
    lengths, codes, steps, errors = (np.concatenate(some) for some in zip(*parts, strict=True))
    return Quantised(keys, rows, lengths, codes, steps, errors)


def _quantise(rows: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.float32]]:
    """Each row as whole numbers of its own steps; the steps, and the lengths of what that leaves out."""
    largest = np.maximum(rows.max(axis=1, initial=0), -rows.min(axis=1, initial=0))
    steps = np.maximum(largest / _LEVELS, 1e-9).astype(np.float32)
    whole = np.rint(rows / steps[:, None])
    codes = whole.astype(np.int8)
    whole *= steps[:, None]
    return codes, steps, _lengths(np.subtract(rows, whole, out=whole))


def _float32(rows: NDArray[np.float16]) -> NDArray[np.float32]:
    """NumPy itself takes seven times as long."""
    from numkong import from_dlpack

    found: NDArray[np.float32] = np.asarray(from_dlpack(rows).astype("float32"))
    return found


def _lengths(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """`linalg.norm` makes a copy of all, and takes five times as long."""
    lengths: NDArray[np.float32] = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return lengths


def _products(query: NDArray[np.int8], codes: NDArray[np.int8]) -> NDArray[np.float32]:
    """The dot products of all of n x dimension with the one of 1 x dimension."""
    from numkong import cdist  # the kernels of usearch: not for who has no vectors

    def products(part: NDArray[np.int8]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = np.asarray(cdist(query, part, metric="dot"), np.float32)[0]
        return found

    first, *others = np.array_split(codes, max(1, min(_cores(), len(codes) // _SHARE)))
    helped = [_helpers().submit(products, part) for part in others]
    found: NDArray[np.float32] = np.concatenate((products(first), *(future.result() for future in helped)))
    return found


@functools.cache
def _cores() -> int:
    return min(_THREADS, len(os.sched_getaffinity(0)))


@functools.cache
def _helpers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS - 1, thread_name_prefix="compare")


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
