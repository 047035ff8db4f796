"""What the rest of the daemon knows about the models: who goes first, and what each role is asked and answers."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from ipc.protocol import LineKind, Role

__all__ = [
    "PLACES",
    "ROLES",
    "Kind",
    "Line",
    "LineKind",
    "ModelInfo",
    "Place",
    "Priority",
    "Role",
    "Score",
    "Tokens",
    "Vectors",
]

ROLES: tuple[Role, ...] = ("embedding", "reranker", "expansion")
# Where a model is in the worker: one place for each role, and one for the embedder that was used before. It answers
# questions until there are vectors of the present one.
Place: TypeAlias = Literal["embedding", "reranker", "expansion", "former"]
PLACES: tuple[Place, ...] = (*ROLES, "former")
Kind: TypeAlias = Literal["query", "document"]
Vectors: TypeAlias = NDArray[np.float32]  # (texts, dimension), each of length 1
Tokens: TypeAlias = list[int]


class Priority(IntEnum):
    """Who is served before whom, between batches: a person waiting, a program waiting, nobody waiting."""

    INTERACTIVE = 0
    AGENT = 1
    INDEXING = 2


class ModelInfo(Struct, frozen=True):
    """A model in use. Only an embedding model has a dimension.

    Vectors of different fingerprints are never compared. `max_tokens` is how much of a text the model
    sees. `tokenizer_file` measures chunks; the fake engine has none, and chunks are measured in characters.
    """

    name: str
    fingerprint: str
    dimension: int
    max_tokens: int
    tokenizer_file: str | None
    languages: tuple[str, ...] = ()  # ISO 639-1; empty: any
    dimensions: tuple[int, ...] = ()  # that a vector may be cut to


class Score(NamedTuple):
    """How well a document answers a query: a probability, and the model's own number, which orders alike."""

    probability: float
    raw: float


class Line(NamedTuple):
    """One typed line that a query was expanded to."""

    kind: LineKind
    text: str
