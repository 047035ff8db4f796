from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from qmd_daemon.weights import catalog, heads

STATES = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def test_pooling_looks_only_at_the_text() -> None:
    padded = STATES.copy()
    padded[0, 2] = 1000
    assert heads.pool(padded, [2, 3], "cls").tolist() == [[0, 1, 2, 3], [12, 13, 14, 15]]
    assert heads.pool(padded, [2, 3], "last").tolist() == [[4, 5, 6, 7], [20, 21, 22, 23]]
    assert heads.pool(padded, [2, 3], "mean").tolist() == [[2, 3, 4, 5], [16, 17, 18, 19]]
    with pytest.raises(ValueError, match="without pooling"):
        heads.pool(padded, [2, 3], "none")


def test_vectors_are_cut_before_they_are_scaled() -> None:
    entry = msgspec.structs.replace(catalog.get("qwen3-embedding-0.6b"), dimension=2)
    vectors = heads.vectors(entry, STATES, [1, 1])
    assert vectors.shape == (2, 2)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert vectors[1] == pytest.approx(np.array([12, 13]) / np.hypot(12, 13))
    as_they_are = msgspec.structs.replace(entry, normalise=False)
    assert heads.vectors(as_they_are, STATES, [1, 1]).tolist() == [[0, 1], [12, 13]]
    with pytest.raises(ValueError, match="vectors of 4 instead of 5"):
        heads.vectors(msgspec.structs.replace(entry, dimension=5), STATES, [1, 1])


def test_yes_and_no_after_the_last_token() -> None:
    """Columns beyond the second are a GPU's padding."""
    logits = np.full((2, 3, 8), -np.inf, np.float16)
    logits[:, :, :2] = [[[0, 0], [3, 1], [9, 9]], [[0, 0], [0, 0], [1, 4]]]
    assert heads.yes_no(logits, [2, 3]).tolist() == [2, -3]


def test_sigmoid() -> None:
    scores = np.array([0, 2, -2, 1000, -1000], np.float32)
    assert heads.sigmoid(scores) == pytest.approx([0.5, 0.880797, 0.119203, 1, 0])


def test_a_classifier_is_kept_whole(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    layers = [random.standard_normal(shape).astype(np.float32) for shape in ((4, 4), (4,), (1, 4), (1,))]
    heads.save(str(tmp_path), *layers)
    classifier = heads.load(str(tmp_path))
    assert np.array_equal(classifier.dense, layers[0])
    expected = np.tanh(STATES[:, 0] @ layers[0].T + layers[1]) @ layers[2][0] + layers[3][0]
    assert classifier.scores(STATES) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "shapes", [((4, 4), (4,), (2, 4), (2,)), ((4, 3), (4,), (1, 4), (1,)), ((4, 4), (4,), (1, 5), (1,))]
)
def test_a_classifier_of_another_shape(tmp_path: Path, shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="its classifier"):
        heads.save(str(tmp_path), *(np.ones(shape, np.float32) for shape in shapes))
    assert list(tmp_path.iterdir()) == []
