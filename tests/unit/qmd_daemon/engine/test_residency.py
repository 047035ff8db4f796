"""The policy of what stays in memory: laws, whatever the models are."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.engine.model import ROLES
from qmd_daemon.engine.residency import Held, ceiling, excess, expired, seconds, until, victims

sizes = st.integers(0, 1000)
held = st.lists(
    st.builds(Held, st.sampled_from(ROLES), sizes, st.floats(0, 100), st.floats(0, 200), st.integers(0, 2)),
    max_size=3,
    unique_by=lambda one: one.role,
)


@given(held, st.integers(0, 3000))
def test_no_more_goes_than_is_needed_and_enough_if_there_is_enough(models: list[Held], over: int) -> None:
    gone = victims(models, over)
    freed = [next(one for one in models if one.role == role) for role in gone]
    assert len(gone) == len(set(gone))
    assert sum(one.size_bytes for one in freed) >= over or len(gone) == len(models)
    # Without the last one it would not have been enough.
    assert sum(one.size_bytes for one in freed[:-1]) < over or not gone


@given(held, st.integers(1, 3000))
def test_the_idle_go_before_those_at_work_and_the_old_before_the_new(models: list[Held], over: int) -> None:
    gone = victims(models, over)
    rank = {one.role: (one.busy > 0, one.used_at) for one in models}
    stay = [one.role for one in models if one.role not in gone]
    assert all(rank[role] <= rank[other] for role in gone for other in stay)
    assert [rank[role] for role in gone] == sorted(rank[role] for role in gone)


@given(held, st.floats(0, 200))
def test_a_model_at_work_never_expires(models: list[Held], now: float) -> None:
    over = set(expired(models, now))
    assert over == {one.role for one in models if one.until <= now and not one.busy}


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_until(now: float, keep_alive_s: float) -> None:
    assert until(now, keep_alive_s) >= now
    assert until(now, -1) == math.inf


@pytest.mark.parametrize(
    ("said", "meant"), [(5, 5), (0.5, 0.5), ("90", 90), ("30s", 30), ("5m", 300), ("1.5h", 5400), ("-1", -1), (-1, -1)]
)
def test_a_keep_alive_as_it_is_written(said: float | str, meant: float) -> None:
    assert seconds(said) == meant


@pytest.mark.parametrize(("used", "needed", "top", "over"), [(5, 3, 10, 0), (8, 3, 10, 1), (99, 99, 0, 0)])
def test_excess(used: int, needed: int, top: int, over: int) -> None:
    assert excess(used, needed, top) == over


@pytest.mark.parametrize(
    ("configured", "used", "free", "expected"),
    [(10, 0, 100, 10), (10, 2, 3, 5), (0, 2, 3, 5), (10, 2, 0, 10), (0, 0, 0, 0)],
)
def test_the_ceiling_is_what_is_configured_or_what_is_there(
    configured: int, used: int, free: int, expected: int
) -> None:
    assert ceiling(configured, used, free) == expected
