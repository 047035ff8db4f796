"""How good a ranked list is, by judgments. Pure functions over names of documents, best first."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Mapping, Sequence

_RESAMPLES = 1000
_CONFIDENCE = 0.95


def ndcg(ranked: Sequence[str], gains: Mapping[str, float], k: int = 10) -> float:
    """Järvelin and Kekäläinen 2002, with linear gains: sum of gain / log2(rank + 1) over that of the ideal order."""
    found = sum(gains.get(document, 0.0) / math.log2(rank + 2) for rank, document in enumerate(ranked[:k]))
    ideal = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(sorted(gains.values(), reverse=True)[:k]))
    return found / ideal if ideal else 0.0


def recall(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """The share of the relevant documents that is among the first k."""
    return len(set(relevant).intersection(ranked[:k])) / len(relevant) if relevant else 0.0


def precision(ranked: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Relevant ones among the first k, of as many as there can be: min(k, number of relevant documents)."""
    possible = min(k, len(relevant))
    return len(set(relevant).intersection(ranked[:k])) / possible if possible else 0.0


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str], k: int = 10) -> float:
    """1 / rank of the first relevant document; 0 when none is among the first k."""
    return next((1 / rank for rank, document in enumerate(ranked[:k], start=1) if document in relevant), 0.0)


def f1(precision: float, recall: float) -> float:
    """The harmonic mean."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The 95 % confidence interval of the mean, by bootstrap over the questions. The same every time."""
    if not values:
        return 0.0, 0.0
    draw = random.Random(seed)  # noqa: S311 - resampling, no secret
    means = sorted(mean(draw.choices(values, k=len(values))) for _ in range(_RESAMPLES))
    tail = (1 - _CONFIDENCE) / 2
    return means[int(tail * _RESAMPLES)], means[int((1 - tail) * _RESAMPLES) - 1]


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: `share` 0.95 is p95."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else 0.0
