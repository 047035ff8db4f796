from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.engine import fake
from qmd_daemon.engine.fake import INFO
from qmd_daemon.engine.frames import Expand, Rerank
from qmd_daemon.engine.model import Line, LineKind, Priority


def embed(*texts: str) -> np.ndarray:
    return fake.vectors([fake.tokens(text) for text in texts])


def rerank(query: str, *documents: str) -> list[float]:
    model, request = fake.Reranker(), Rerank(1, Priority.AGENT, query, list(documents))
    pieces = model.encode(request)
    answer = model.answer(request, pieces, model.compute(pieces, lambda: True))
    return [score.probability for score in answer.scores]


def expand(query: str, *kinds: LineKind) -> list[Line]:
    model, request = fake.Expander(), Expand(1, Priority.AGENT, query, list(kinds))
    pieces = model.encode(request)
    return model.answer(request, pieces, model.compute(pieces, lambda: True)).lines


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


def test_a_document_with_the_querys_words_answers_it() -> None:
    all_words, some, none = rerank("restart the server", "the server: restart it", "the server", "apple pie")
    assert all_words > 0.9 > some > none
    assert (
        rerank("显存监控", "如何监控显存", "今天天气很好")[0]
        > 0.3
        > rerank("显存监控", "如何监控显存", "今天天气很好")[1]
    )


def test_a_long_document_is_judged_by_its_best_window() -> None:
    long = " ".join(f"word{n}" for n in range(2000))
    assert rerank("restart server", f"{long} restart server {long}") == rerank("restart server", "restart server")
    assert rerank("restart server", "") == rerank("restart server", "nothing of it")


@given(st.text(max_size=200), st.lists(st.sampled_from(["lex", "vec", "hyde"]), min_size=1, max_size=5))
def test_an_expansion_is_the_same_every_time_and_no_line_comes_twice(query: str, kinds: list[LineKind]) -> None:
    lines = expand(query, *kinds)
    assert lines == expand(query, *kinds)
    assert len(set(lines)) == len(lines) <= len(kinds)
    assert all(line.text for line in lines)


def test_the_language_of_the_query_is_kept() -> None:
    assert expand("how do I restart the server", "lex", "vec") == [
        Line("lex", "restart server"),
        Line("vec", "information about restart server"),
    ]
    assert expand("重启服务器", "vec") == [Line("vec", "关于重启服务器的说明")]
