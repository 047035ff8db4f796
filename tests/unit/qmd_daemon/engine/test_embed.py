from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.engine.embed import mean


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_the_mean_is_over_a_texts_own_tokens(lengths: list[int], seed: int) -> None:
    """Whatever the padding holds: CTranslate2 leaves copies of the last token in it."""
    hidden = np.random.default_rng(seed).standard_normal((len(lengths), max(lengths), 4)).astype(np.float32)
    vectors = mean(hidden, lengths)
    for vector, rows, length in zip(vectors, hidden, lengths, strict=True):
        expected = rows[:length].astype(np.float64).mean(axis=0)
        assert np.allclose(vector, expected / np.linalg.norm(expected), atol=1e-4)
    assert vectors.dtype == np.float32
