from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.search import calibrate

MODEL = "all-MiniLM-L6-v2"


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.5))
def test_more_evidence_is_never_less_relevant(cosine: float, lexical: float, more: float) -> None:
    base = calibrate.relevance(MODEL, cosine, lexical)
    assert 0 < base < 1
    assert calibrate.relevance(MODEL, cosine + more, lexical) >= base
    assert calibrate.relevance(MODEL, cosine, lexical + more) >= base


def test_noise_is_called_noise_and_an_answer_is_not() -> None:
    assert calibrate.relevance(MODEL, 0.2, 0.3) < calibrate.NOTHING
    assert calibrate.relevance(MODEL, 0.75, 0.75) > 0.5


def test_other_models_are_not_guessed_at() -> None:
    assert calibrate.known(MODEL)
    assert not calibrate.known("another")
    with pytest.raises(KeyError):
        calibrate.relevance("another", 0.5, 0.5)
