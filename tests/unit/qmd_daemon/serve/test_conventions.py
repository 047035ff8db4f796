from __future__ import annotations

import msgspec
import numpy as np
import pytest

from ipc.errors import QmdError
from ipc.protocol import Judgement, Query, RerankReply
from qmd_daemon.serve import conventions
from qmd_daemon.serve.conventions import EmbeddingsRequest, RerankRequest, TypedQueries, TypedQuery


class TestInput:
    @pytest.mark.parametrize(
        ("given", "texts", "tokens"),
        [
            ("a", ["a"], []),
            (["a", "b"], ["a", "b"], []),
            ([1, 2], [], [[1, 2]]),
            ([[1], [2, 3]], [], [[1], [2, 3]]),
        ],
    )
    def test_its_four_shapes(self, given: object, texts: list[str], tokens: list[list[int]]) -> None:
        asked = msgspec.convert({"input": given}, EmbeddingsRequest)
        assert conventions.texts_or_tokens(asked) == (texts, tokens)

    def test_a_mixture_is_none(self) -> None:
        with pytest.raises(QmdError, match="mixes"):
            conventions.texts_or_tokens(msgspec.convert({"input": ["a", 1]}, EmbeddingsRequest))

    def test_too_many(self) -> None:
        with pytest.raises(QmdError) as caught:
            conventions.texts_or_tokens(EmbeddingsRequest(input=["a"] * 1001))
        assert caught.value.code == "too_large"

    def test_what_others_send_besides_is_let_through(self) -> None:
        assert msgspec.convert({"input": "a", "task": "retrieval", "model": "x"}, EmbeddingsRequest).model == "x"


class TestDimensions:
    def test_cut_and_scaled(self) -> None:
        cut = conventions.cut(np.array([[3.0, 4.0, 12.0]], np.float32), 2)
        assert cut.tolist() == [pytest.approx([0.6, 0.8])]

    def test_none_and_the_whole_change_nothing(self) -> None:
        vectors = np.eye(3, dtype=np.float32)
        assert conventions.cut(vectors, None) is vectors
        assert conventions.cut(vectors, 3) is vectors

    def test_a_vector_of_zeros_stays_one(self) -> None:
        assert conventions.cut(np.zeros((1, 3), np.float32), 2).tolist() == [[0, 0]]

    def test_those_that_a_model_was_made_for(self) -> None:
        conventions.check_dimensions(None, 768, ())
        conventions.check_dimensions(768, 768, ())
        conventions.check_dimensions(256, 768, (256, 512))
        with pytest.raises(QmdError, match="There are: 256, 512, 768"):
            conventions.check_dimensions(300, 768, (256, 512, 1024))


def test_typed_searches_become_lines_of_the_query_language() -> None:
    asked = TypedQueries(
        searches=[TypedQuery(type="lex", query="a\nvec: b"), TypedQuery(type="hyde", query="c")], limit=3, min_score=0.2
    )
    assert conventions.as_query(asked) == Query(query="lex: a vec: b\nhyde: c", top_k=3, min_score=0.2)


def test_documents_come_back_only_when_asked_for() -> None:
    reply = RerankReply(results=[Judgement(index=1, score=0.5, raw=0.0)], model="m")
    texts = ["a", "b"]
    bare = conventions.ranked(RerankRequest(query="q", documents=["a", "b"]), texts, reply)
    assert msgspec.to_builtins(bare)["results"] == [{"index": 1, "relevance_score": 0.5}]
    full = conventions.ranked(RerankRequest(query="q", documents=["a", "b"], return_documents=True), texts, reply)
    assert msgspec.to_builtins(full)["results"][0]["document"] == {"text": "b"}
