from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_tui.bench import metrics

RANKED = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)
GAINS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 3).map(float), max_size=6)


@given(RANKED, GAINS)
def test_ndcg_lies_between_0_and_1_and_the_ideal_order_is_1(ranked: list[str], gains: dict[str, float]) -> None:
    assert 0 <= metrics.ndcg(ranked, gains) <= 1 + 1e-9
    if any(gains.values()):
        assert metrics.ndcg(sorted(gains, key=lambda one: -gains[one]), gains) == pytest.approx(1.0)


def test_known_values() -> None:
    assert metrics.ndcg(["x", "a"], {"a": 1.0}) == pytest.approx(0.6309, abs=1e-4)
    assert metrics.recall(["a", "x"], ["a", "b"], 2) == 0.5
    assert metrics.precision(["a", "x", "b"], ["a", "b"], 2) == 0.5
    assert metrics.precision(["a"], ["a"], 3) == 1.0
    assert metrics.reciprocal_rank(["x", "a"], ["a"]) == 0.5
    assert metrics.reciprocal_rank(["x"], ["a"]) == 0.0
    assert metrics.f1(1.0, 0.5) == pytest.approx(2 / 3)
    assert metrics.percentile([3, 1, 2, 4], 0.5) == 2
    assert metrics.percentile([3, 1, 2, 4], 0.95) == 4


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_the_interval_lies_within_the_values_and_is_the_same_every_time(values: list[float]) -> None:
    low, high = metrics.interval(values)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    assert metrics.interval(values) == (low, high)
