from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from ipc.errors import QmdError
from qmd_daemon.weights.verify import TRIPLES, self_test


def place(text: str) -> tuple[int, int]:
    return next((n, triple.index(text)) for n, triple in enumerate(TRIPLES) if text in triple)


def sensible(texts: Sequence[str]) -> np.ndarray:
    """Paraphrases in the same direction, everything else perpendicular."""
    vectors = np.zeros((len(texts), 2 * len(TRIPLES)), np.float32)
    for vector, text in zip(vectors, texts, strict=True):
        number, position = place(text)
        vector[2 * number + (position == 2)] = 1
    return vectors


def by_position(texts: Sequence[str]) -> np.ndarray:
    return np.roll(sensible(texts), len(texts), axis=1)


def test_a_model_that_makes_sense_passes() -> None:
    self_test("m", sensible)


@pytest.mark.parametrize(
    ("embed", "reason"),
    [
        (lambda texts: sensible(texts) * np.nan, "length 1"),
        (lambda texts: sensible(texts) * 2, "length 1"),
        (lambda texts: np.eye(len(texts), 384, dtype=np.float32), "paraphrase"),
        (lambda texts: np.full((len(texts), 4), 0.5, np.float32), "paraphrase"),
        (by_position, "another batch"),
    ],
    ids=["nan", "too long", "noise", "constant", "depends on the batch"],
)
def test_a_broken_model_is_refused(embed: Callable[[Sequence[str]], np.ndarray], reason: str) -> None:
    with pytest.raises(QmdError, match=reason) as caught:
        self_test("m", embed)
    assert caught.value.code == "unavailable"
