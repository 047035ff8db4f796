from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.search import calibrate
from qmd_daemon.search.calibrate import Closeness, Evidence

MODEL = "all-MiniLM-L6-v2"
shares = st.floats(0, 1)


def sure(evidence: Evidence, model: str = "") -> float:
    found = calibrate.relevance(evidence, model)
    assert found is not None
    return found


@given(shares, shares, shares, st.floats(0, 0.5))
def test_more_evidence_is_never_less_relevant(score: float, coverage: float, cosine: float, more: float) -> None:
    near = Closeness(cosine, 0.1, 0.08)
    base = Evidence(score, coverage, closeness=near)
    assert 0 <= sure(base, MODEL) <= 1
    assert sure(base._replace(score=min(1.0, score + more)), MODEL) >= sure(base, MODEL)
    assert sure(base._replace(coverage=min(1.0, coverage + more)), MODEL) >= sure(base, MODEL)
    assert sure(base._replace(closeness=near._replace(cosine=cosine + more)), MODEL) >= sure(base, MODEL)
    assert sure(base._replace(closeness=near._replace(usual=0.1 + more)), MODEL) <= sure(base, MODEL)
    words = base._replace(closeness=None)
    assert sure(words._replace(score=min(1.0, score + more))) >= sure(words)


def test_noise_is_called_noise_and_an_answer_is_not() -> None:
    noise = Evidence(0.2, 0.1, closeness=Closeness(0.15, 0.1, 0.08))
    answer = Evidence(0.7, 0.7, closeness=Closeness(0.7, 0.1, 0.08))
    assert sure(noise, MODEL) < calibrate.NOTHING
    assert sure(answer, MODEL) > 0.5
    assert sure(noise._replace(closeness=None)) < calibrate.NOTHING


def test_other_models_are_not_guessed_at() -> None:
    near = Closeness(0.5, 0.1, 0.08)
    assert calibrate.known(MODEL)
    assert calibrate.known(f"sentence-transformers/{MODEL}")
    assert not calibrate.known("another")
    assert calibrate.relevance(Evidence(0.5, 0.5, closeness=near), "another") is None
    assert sure(Evidence(0.5, 0.5), "another") == sure(Evidence(0.5, 0.5))


@pytest.mark.parametrize(
    ("hits", "nothing"),
    [
        ([], False),
        ([(0.01, Evidence(0.1, 0.1)), (0.03, None)], True),
        ([(0.01, Evidence(0.1, 0.1)), (0.2, Evidence(0.5, 0.3))], False),
        # A single word that is common says little, and yet it is all that was asked for.
        ([(0.02, Evidence(0.1, 0.6))], False),
        ([(0.02, Evidence(0.1, 0.2, telling=False))], False),
        ([(0.02, Evidence(0.0, 0.0, telling=False))], True),
    ],
)
def test_nothing_is_what_neither_answers_nor_has_the_words(
    hits: list[tuple[float, Evidence | None]], nothing: bool
) -> None:
    assert calibrate.nothing(hits) is nothing
