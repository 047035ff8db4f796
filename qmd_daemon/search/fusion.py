"""Several ranked lists into one: reciprocal rank fusion.

Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods",
SIGIR 2009: a document's score is the sum of 1 / (k + rank) over the lists, with k = 60. It needs ranks only, so the
lists' own scores, which mean different things, are never added. Standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

K = 60


class Ranked(NamedTuple):
    """A list of (document, its score there), best first, no document twice."""

    name: str
    items: Sequence[tuple[int, float]]
    weight: float = 1.0


class Part(NamedTuple):
    """What one list gives to a document: its rank there (from 1), its score there, its term of the sum."""

    list: str
    rank: int
    score: float
    rrf: float


class Fused(NamedTuple):
    """A document's place in the result. `score` is the sum as a share of the largest possible: 1.0 is first in all."""

    document: int
    score: float
    parts: list[Part]


def fuse(lists: Sequence[Ranked], k: int = K) -> list[Fused]:
    """Fuse ranked lists, best first; documents of equal sums in the order of the lists they came from."""
    parts: dict[int, list[Part]] = {}
    for ranked in lists:
        for rank, (document, score) in enumerate(ranked.items, start=1):
            part = Part(ranked.name, rank, score, ranked.weight / (k + rank))
            parts.setdefault(document, []).append(part)
    largest = sum(ranked.weight for ranked in lists) / (k + 1)
    fused = [Fused(document, sum(part.rrf for part in found) / largest, found) for document, found in parts.items()]
    return sorted(fused, key=lambda one: -one.score)
