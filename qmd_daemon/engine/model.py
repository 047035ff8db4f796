"""What the rest of the daemon knows about the model: who goes first, and what its vectors are."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Literal, Protocol, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Kind: TypeAlias = Literal["query", "document"]
Vectors: TypeAlias = NDArray[np.float32]  # (texts, dimension), each of length 1
Tokens: TypeAlias = list[int]


class Priority(IntEnum):
    """Who is served before whom, between batches: a person waiting, a program waiting, nobody waiting."""

    INTERACTIVE = 0
    AGENT = 1
    INDEXING = 2


class ModelInfo(Struct, frozen=True):
    """The embedding model in use.

    Vectors of different fingerprints are never compared. `max_tokens` is how much of a text the model
    sees. `tokenizer_file` measures chunks; the fake engine has none, and chunks are measured in characters.
    """

    name: str
    fingerprint: str
    dimension: int
    max_tokens: int
    tokenizer_file: str | None
    languages: tuple[str, ...] = ()  # ISO 639-1; empty: any


class Model(Protocol):
    """What computes, in the worker. Called from several threads at once."""

    def encode(self, texts: Sequence[str], kind: Kind) -> list[Tokens]:
        """Cut texts into tokens: at least one for each text, at most the model's maximum."""
        ...

    def embed(self, batch: Sequence[Tokens]) -> Vectors:
        """Compute the vectors of a batch of at least one."""
        ...
