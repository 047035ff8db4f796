"""Searching the vectors of an index, whatever is going on with them: loading, building, failing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from ipc.errors import QmdError
from qmd_daemon.store.chunks import Space
from qmd_daemon.store.neighbours import Neighbours
from qmd_daemon.store.stored import Found

# A graph of very many vectors takes some minutes to build.
_WAIT_S = 600.0


class Vectors:
    """Blocks: call it in a thread."""

    def __init__(
        self, current: Callable[[], Neighbours | None], repair: Callable[[Neighbours | None, str], Future[None]]
    ) -> None:
        """`current` is the generation in use; `repair` replaces the one that is given, and None by the first."""
        self._current = current
        self._repair = repair

    @property
    def space(self) -> Space | None:
        """The space whose vectors are searched. After another became the active one, still the old one, until
        its own are there; None while there are none.
        """
        neighbours = self._current()
        return neighbours.space if neighbours is not None else None

    def search(self, vector: NDArray[np.float32], k: int, allowed: NDArray[np.int64] | None = None) -> Found:
        """The `k` nearest chunks of `space` with their cosines, best first.

        `vector` is float32 of the space's dimension (of another: nothing is found), `allowed` the chunks that may be
        found, ascending, or None for all. Waits while they are read for the first time. What fails is built
        again, once. Raises QmdError("unavailable") when that does not help.
        """
        if k < 1 or not np.isfinite(vector).all():
            return []
        neighbours = self._current()
        if neighbours is not None:
            try:
                return neighbours.search(vector, k, allowed)
            except RuntimeError as error:
                reason = str(error)
        else:
            reason = ""
        try:
            self._repair(neighbours, reason).result(_WAIT_S)
            repaired = self._current()
            if repaired is not None:
                return repaired.search(vector, k, allowed)
        except (RuntimeError, TimeoutError) as error:
            reason = str(error) or "it takes too long to build"
        raise QmdError("unavailable", f"The vector index cannot be searched: {reason}.", "See `qmd status`.")

    def usual(self, vector: NDArray[np.float32], allowed: NDArray[np.int64] | None = None) -> tuple[float, float]:
        """Mean and standard deviation of the cosines of the chunks of `space`, or of the `allowed` ones, to a vector.

        From a sample. (0, 0) where there are none, or they fail.
        """
        neighbours = self._current()
        try:
            return neighbours.usual(vector, allowed) if neighbours is not None else (0.0, 0.0)
        except RuntimeError:  # the next search has it built again
            return 0.0, 0.0
