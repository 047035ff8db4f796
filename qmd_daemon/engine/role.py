"""What a model is to the worker, whatever its role: it cuts a request into pieces, and computes batches of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qmd_daemon.engine.frames import Answer
from qmd_daemon.engine.model import Tokens

# What is computed for one piece; only the model that made it knows what it is. Numbers are checked to be finite.
Row: TypeAlias = Any
Rows: TypeAlias = Sequence[Row] | NDArray[np.float32]
# Whether anybody still waits for a batch. A model that computes for seconds asks now and then, and stops.
Alive: TypeAlias = Callable[[], bool]


class Piece(NamedTuple):
    """What a model sees at once: a text, a window of a document with its query, a prompt.

    `of` is the number of the text or document in the request that it belongs to; `more` is the model's own.
    """

    of: int
    tokens: Tokens
    more: Any = None


class Model(Protocol):
    """What computes, in the worker. Called from several threads at once, but for `close`."""

    def encode(self, request: Any) -> list[Piece]:
        """Cut a request into pieces of at least one token, and at most the model's maximum."""
        ...

    def compute(self, batch: Sequence[Piece], alive: Alive) -> Rows:
        """Compute a row for each piece of a batch of at least one."""
        ...

    def answer(self, request: Any, pieces: Sequence[Piece], rows: Sequence[Row]) -> Answer:
        """Make the answer to a request of all its rows."""
        ...

    def close(self) -> None:
        """Free the memory, now. Nothing is called after it."""
        ...
