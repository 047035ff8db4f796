"""Reciprocal rank fusion: one ranking out of several whose scores cannot be compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

K = 60  # Cormack, Clarke and Büttcher, 2009: large enough that rank 1 does not outweigh two good ranks elsewhere


def fuse(rankings: Iterable[Sequence[str]], k: int = K) -> list[tuple[str, float]]:
    """Each item scores the sum of 1 / (k + rank) over the lists it is in; best first.

    >>> fuse([["invoice", "refund", "recipe"], ["refund", "insurance", "invoice"]])[0][0]
    'refund'
    """
    scores: dict[str, float] = defaultdict(float)
    for ranking in rankings:
        for rank, item in enumerate(ranking, start=1):
            scores[item] += 1 / (k + rank)
    return sorted(scores.items(), key=lambda pair: -pair[1])
