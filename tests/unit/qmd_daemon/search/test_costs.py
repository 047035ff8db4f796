from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.search.costs import Budget, Costs


def test_what_never_ran_is_tried_while_anything_is_left() -> None:
    assert Costs().expected_ms("vector") is None
    assert Budget(100, Costs()).fits("vector")


def test_a_stage_that_usually_takes_longer_does_not_fit() -> None:
    costs = Costs()
    for _ in range(5):
        costs.note("rerank", 50.0, units=10)
    assert not Budget(100, costs).fits("rerank", units=40)
    assert Budget(100, costs).fits("rerank", units=5)
    assert Budget(None, costs).fits("rerank", units=10_000)


def test_time_is_kept_for_what_must_still_come() -> None:
    costs = Costs()
    costs.note("show", 90.0)
    costs.note("show", 90.0)
    budget = Budget(100, costs)
    budget.reserve("show", 1)
    assert budget.left_ms() < 10.1


def test_until_it_starts_nothing_is_spent() -> None:
    assert Budget(100, Costs(), time.perf_counter() + 60).left_ms() == 100


def test_without_a_limit_nothing_times_out() -> None:
    assert Budget(None, Costs()).timeout_s() is None


@given(st.lists(st.floats(1, 1000), min_size=1, max_size=50))
def test_an_estimate_lies_above_the_mean_and_below_four_times_the_most(values: list[float]) -> None:
    costs = Costs()
    for value in values:
        costs.note("x", value)
    expected = costs.expected_ms("x")
    assert expected is not None
    assert min(values) <= expected <= 4 * max(values)


def test_it_follows_a_machine_that_becomes_slower() -> None:
    costs = Costs()
    for value in [1.0] * 50 + [10.0] * 20:
        costs.note("x", value)
    assert costs.expected_ms("x") == pytest.approx(10, rel=0.6)


def test_a_first_time_that_waited_for_a_model_is_not_held_against_it() -> None:
    costs = Costs()
    costs.note("vector", 900.0)
    costs.note("vector", 10.0)
    assert Budget(50, costs).fits("vector")


def test_what_was_given_up_is_not_tried_at_once_again_but_some_day() -> None:
    costs = Costs()
    costs.gave_up("vector", 1000.0)
    left_out = 0
    while not Budget(1000, costs).fits("vector"):
        costs.left_out("vector")
        left_out += 1
    assert 2 <= left_out <= 5, "of a single time that may have waited for a model"
    for _ in range(3):
        costs.note("rerank", 5.0, units=1)
    left_out = 0
    while not Budget(30, costs).fits("rerank", 40):
        costs.left_out("rerank")
        left_out += 1
    assert 10 <= left_out <= 40, "of one that is known"


def test_what_was_given_up_never_lowers_what_is_expected() -> None:
    costs = Costs()
    for _ in range(3):
        costs.note("rerank", 100.0)
    before = costs.expected_ms("rerank")
    costs.gave_up("rerank", 10.0)
    assert costs.expected_ms("rerank") == before
    costs.left_out("never ran")
    assert costs.expected_ms("never ran") is None
