"""Asking the questions of a suite, and what the answers are worth."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from qmd_tui.bench import cases, metrics
from qmd_tui.bench.cases import Case, Suite

# tobi/qmd's names of its backends.
MODES = ("bm25", "vector", "hybrid", "full")
DEPTH = 100


class Answered(NamedTuple):
    """The files that were found, best first, and the milliseconds of the whole answer and of each stage."""

    case: Case
    ranked: list[str]
    ms: float
    stages: dict[str, float]
    zero: bool  # every score was 0: something is wrong with the index


def ask(suite: Suite, mode: str, search: Callable[[str, str, int], dict[str, Any]]) -> list[Answered]:
    """Ask all questions. `search` takes the mode, the query and how many hits, and gives a SearchReply's fields."""
    answers = []
    for case in suite.cases:
        started = time.perf_counter()
        reply = search(mode, case.query, DEPTH if suite.judged else max(case.k, 10))
        ms = (time.perf_counter() - started) * 1000
        hits = reply["results"]
        ranked = cases.named([hit["file"] for hit in hits], case.gains)
        stages = {stage["name"]: stage["ms"] for stage in reply["stages"] if stage["ran"]}
        answers.append(Answered(case, ranked, ms, stages, bool(hits) and not any(hit["score"] for hit in hits)))
    return answers


def summary(suite: Suite, answers: Sequence[Answered]) -> dict[str, Any]:
    """The means over all questions: of judgments as sets are measured, else as tobi/qmd measures its fixtures."""
    values: dict[str, list[float]] = {}
    for answer in answers:
        for name, value in (_judged(answer) if suite.judged else scores(answer)).items():
            values.setdefault(name, []).append(value)
    found: dict[str, Any] = {name: round(metrics.mean(some), 4) for name, some in values.items()}
    if suite.judged:
        found["ndcg@10_interval"] = [round(one, 4) for one in metrics.interval(values.get("ndcg@10", []))]
    times = [answer.ms for answer in answers]
    found["ms"] = {"p50": round(metrics.percentile(times, 0.5), 1), "p95": round(metrics.percentile(times, 0.95), 1)}
    names = dict.fromkeys(name for answer in answers for name in answer.stages)
    found["stages_ms"] = {
        name: round(metrics.percentile([one.stages[name] for one in answers if name in one.stages], 0.5), 2)
        for name in names
    }
    return found


def scores(answer: Answered) -> dict[str, float]:
    """What one answer is worth by tobi/qmd's measures."""
    case, ranked = answer.case, answer.ranked
    precision = metrics.precision(ranked, case.expected, case.k)
    recall = metrics.recall(ranked, case.expected, case.k)
    return {
        "precision@k": precision,
        "recall": recall,
        **{f"recall@{k}": metrics.recall(ranked, case.expected, k) for k in (1, 3, 5)},
        "mrr": metrics.reciprocal_rank(ranked, case.expected, max(case.k, 10)),
        "f1": metrics.f1(precision, recall),
    }


def _judged(answer: Answered) -> dict[str, float]:
    case, ranked = answer.case, answer.ranked
    return {
        "ndcg@10": metrics.ndcg(ranked, case.gains),
        "recall@100": metrics.recall(ranked, case.expected, DEPTH),
        "mrr@10": metrics.reciprocal_rank(ranked, case.expected),
    }
