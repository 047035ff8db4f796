from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from qmd_daemon.store import chunks
from qmd_daemon.store.flat import Flat
from qmd_daemon.store.quantised import quantised


def vectors(count: int, dimension: int, alike: float, seed: int) -> NDArray[np.float16]:
    """Some around a few middles, the nearer to them the more they are `alike`."""
    draw = np.random.default_rng(seed)
    middles = draw.normal(size=(5, dimension))
    rows = alike * middles[draw.integers(0, 5, count)] + (1 - alike) * draw.normal(size=(count, dimension))
    return rows.astype(np.float16)


def unit(vector: NDArray[Any]) -> NDArray[np.float32]:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@pytest.mark.parametrize("dimension", [2, 64, 384, 1024])
@pytest.mark.parametrize("alike", [0.0, 0.5, 0.99])
def test_of_thousands_it_finds_exactly_those_that_are_nearest(dimension: int, alike: float) -> None:
    rows = vectors(3000, dimension, alike, seed=dimension)
    keys = np.arange(10, 6010, 2)
    one = Flat("", chunks.Space(1, "m+", "m", dimension), [])
    one._table = quantised(keys, rows)
    whole = rows.astype(np.float32)
    for number in range(0, 3000, 150):
        query = unit(whole[number] + 0.1 * whole[-number])
        cosines = (whole @ query) / np.linalg.norm(whole, axis=1)
        for k in (1, 10, 300, 2999):
            found = one.search(query, k, None)
            assert [cosine for _, cosine in found] == pytest.approx(np.sort(cosines)[::-1][:k], abs=1e-5)
            assert all(cosines[(key - 10) // 2] == pytest.approx(cosine, abs=1e-5) for key, cosine in found)
    some = keys[5:2500]
    best = np.max((whole[5:2500] @ query) / np.linalg.norm(whole[5:2500], axis=1))
    assert one.search(query, 1, some)[0][1] == pytest.approx(best, abs=1e-5)


@given(st.integers(0, 1000), st.sampled_from([8, 100, 768]), st.sampled_from([0.0, 0.9]))
def test_an_estimate_is_off_by_less_than_its_doubt(seed: int, dimension: int, alike: float) -> None:
    rows = vectors(200, dimension, alike, seed)
    table = quantised(np.arange(200), rows)
    query = unit(vectors(1, dimension, alike, seed + 1)[0].astype(np.float32))
    estimates, doubt = table.estimates(query)
    assert np.abs(estimates - table.cosines(query, np.arange(200))).max() < doubt


def test_who_searches_sees_one_moment() -> None:
    rows = vectors(300, 16, 0.5, 1)
    first = quantised(np.arange(100), rows[:100])
    second = first.merged(quantised(np.arange(100, 200), rows[100:200]))
    third = second.merged(quantised(np.arange(200, 300), rows[200:]))
    assert np.shares_memory(second.rows, third.rows), "what has room is not copied"
    less = third.without(np.array([0, 150]))
    again = less.merged(quantised(np.array([0, 150]), rows[[0, 150]]))
    for table, count in ((first, 100), (second, 200), (third, 300)):
        assert np.array_equal(table.keys, np.arange(count))
        assert np.array_equal(table.rows, rows[:count])
    assert np.array_equal(less.keys, np.delete(np.arange(300), [0, 150]))
    assert all(np.array_equal(one, other) for one, other in zip(again, third, strict=True))


def test_a_vector_of_nothing_is_far_from_all() -> None:
    table = quantised(np.arange(2), np.array([[0, 0], [1, 0]], np.float16))
    assert table.cosines(np.array([1, 0], np.float32), np.arange(2)).tolist() == [0, 1]
    assert np.isfinite(table.estimates(np.zeros(2, np.float32))[0]).all()
