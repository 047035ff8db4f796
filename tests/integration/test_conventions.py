"""The conventions that other programs' clients speak, with the real client of one of them."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

TEXTS = ["a note about backups", "显存监控"]


@pytest.fixture(scope="module")
def client(shared_daemon: Any) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{shared_daemon.endpoint.http}/v1", api_key="none", max_retries=0) as found:
        yield found


class TestOpenAI:
    def test_one_text(self, client: OpenAI) -> None:
        answer = client.embeddings.create(model="text-embedding-3-small", input=TEXTS[0])
        assert [len(one.embedding) for one in answer.data] == [384]
        assert answer.model == "fake"
        assert answer.usage.prompt_tokens == answer.usage.total_tokens == 4

    def test_both_encodings_are_the_same_numbers(self, client: OpenAI) -> None:
        numbers = client.embeddings.create(model="", input=TEXTS, encoding_format="float")
        coded = client.embeddings.create(model="", input=TEXTS, encoding_format="base64")
        assert [one.index for one in numbers.data] == [0, 1]
        for one, other in zip(numbers.data, coded.data, strict=True):
            text: Any = other.embedding
            assert list(struct.unpack("<384f", base64.b64decode(text))) == pytest.approx(one.embedding)

    def test_fewer_dimensions_are_of_length_1_again(self, client: OpenAI) -> None:
        (one,) = client.embeddings.create(model="", input="three words here", dimensions=192).data
        assert len(one.embedding) == 192
        assert sum(number**2 for number in one.embedding) == pytest.approx(1, abs=1e-5)

    def test_what_the_model_cannot_is_refused_with_a_sentence(self, client: OpenAI) -> None:
        with pytest.raises(openai.UnprocessableEntityError, match="There are: 192, 384"):
            client.embeddings.create(model="", input="a", dimensions=100)
        with pytest.raises(openai.UnprocessableEntityError, match="has no tokens"):
            client.embeddings.create(model="", input=[[1, 2], [3]])

    def test_the_models(self, client: OpenAI) -> None:
        assert [one.id for one in client.models.list()] == ["fake", "fake-reranker", "fake-expansion"]


def test_rerank_as_cohere_and_jina_have_it(client: OpenAI) -> None:
    body = {"query": "backup", "documents": ["the moon", {"text": "a backup"}], "top_n": 1, "return_documents": True}
    answer: Any = client.post("/rerank", body={**body, "model": "rerank-v3"}, cast_to=object)
    (best,) = answer["results"]
    assert (best["index"], best["document"]) == (1, {"text": "a backup"})
    assert 0 <= best["relevance_score"] <= 1


def test_the_body_of_tobi_qmd(client: OpenAI, shared_daemon: Any) -> None:
    body = {"searches": [{"type": "lex", "query": "backup"}, {"type": "vec", "query": "keep\nfiles safe"}], "limit": 3}
    answer: Any = client.with_options(base_url=shared_daemon.endpoint.http).post("/query", body=body, cast_to=object)
    assert answer["results"] == []
    with pytest.raises(openai.UnprocessableEntityError, match="sparse"):
        client.with_options(base_url=shared_daemon.endpoint.http).post(
            "/query", body={"searches": [{"type": "sparse", "query": "a"}]}, cast_to=object
        )
