from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.engine.fake import INFO, FakeModel

model = FakeModel()


def embed(*texts: str) -> np.ndarray:
    return model.embed(model.encode(texts, "document"))


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_any_text_has_a_vector_of_length_1(texts: list[str]) -> None:
    vectors = embed(*texts)
    assert vectors.shape == (len(texts), INFO.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@given(st.text(), st.text())
def test_a_vector_depends_on_its_text_alone(text: str, other: str) -> None:
    assert np.array_equal(embed(text)[0], embed(other, text)[1])


@pytest.mark.parametrize(
    ("text", "alike", "other"),
    [
        ("restart the server", "how to restart a SERVER", "apple pie recipe"),
        ("显存监控", "如何监控显存", "今天天气很好"),
        ("GPU显存", "显存 and GPU", "CPU 内存"),
        ("サーバーの再起動", "サーバー", "りんごのパイ"),
    ],
)
def test_texts_that_share_words_are_alike(text: str, alike: str, other: str) -> None:
    vectors = embed(text, alike, other)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3


def test_it_is_the_same_in_every_process() -> None:
    """Vectors are stored: a hash that is salted, as Python's is, would not do."""
    places = np.flatnonzero(embed("stored")[0])
    assert places.tolist() == [11, 55, 122, 253, 315, 352, 379, 381]
