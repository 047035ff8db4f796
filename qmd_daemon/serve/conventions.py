"""The shapes that other programs' clients send and expect: OpenAI's, Cohere's and Jina's, and tobi/qmd's. Pure.

Unknown fields are let through: these clients send what their own servers know.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType, field
from numpy.typing import NDArray

from ipc.errors import QmdError
from ipc.protocol import MAX_LINES, MAX_TEXTS, LineKind, Query, QueryText, RerankReply, Role, TopK

Token = Annotated[int, Meta(ge=0, le=2**31)]
Tokens = Annotated[list[Token], Meta(min_length=1, max_length=100_000)]


class EmbeddingsRequest(Struct, frozen=True, kw_only=True):
    """OpenAI's. `input`: a text, texts, tokens, or lists of tokens. `model` is for the client's own books: there is
    one embedding model, and the answer names it.
    """

    input: str | Annotated[list[str | Token | Tokens], Meta(min_length=1, max_length=100_000)]
    model: str = ""
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None


class Embedding(Struct, frozen=True, kw_only=True):
    """`embedding`: numbers, or the base64 of little-endian float32."""

    index: int
    embedding: list[float] | str
    object: Literal["embedding"] = "embedding"


class Usage(Struct, frozen=True, kw_only=True):
    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(Struct, frozen=True, kw_only=True):
    data: list[Embedding]
    model: str
    usage: Usage
    object: Literal["list"] = "list"


class Model(Struct, frozen=True, kw_only=True):
    """`role` is ours: embedding, reranker or expansion."""

    id: str
    role: Role
    created: int = 0
    object: Literal["model"] = "model"
    owned_by: str = "qmd"


class ModelsAnswer(Struct, frozen=True, kw_only=True):
    data: list[Model]
    object: Literal["list"] = "list"


class Passage(Struct, frozen=True, kw_only=True):
    text: str


class RerankRequest(Struct, frozen=True, kw_only=True):
    """Cohere's and Jina's. `return_documents` puts each text into its result."""

    query: QueryText
    documents: Annotated[list[str | Passage], Meta(min_length=1, max_length=MAX_TEXTS)]
    model: str = ""
    top_n: TopK | None = None
    return_documents: bool = False


class Ranked(Struct, frozen=True, kw_only=True, omit_defaults=True):
    index: int
    relevance_score: float
    document: Passage | UnsetType = UNSET


class RerankAnswer(Struct, frozen=True, kw_only=True):
    results: list[Ranked]
    model: str


class TypedQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: LineKind
    query: Annotated[str, Meta(min_length=1, max_length=5000)]


class TypedQueries(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """tobi/qmd's body of `POST /query`: typed lines as objects."""

    searches: Annotated[list[TypedQuery], Meta(min_length=1, max_length=MAX_LINES)]
    limit: TopK = 10
    min_score: float | None = None
    candidate_limit: Annotated[int, Meta(ge=1, le=200)] = 40
    collections: list[str] = field(default_factory=list)
    intent: QueryText = ""
    rerank: bool | None = None


def as_query(asked: TypedQueries) -> Query:
    """The same in the query language: a line for each."""
    lines = [f"{one.type}: {' '.join(one.query.split())}" for one in asked.searches]
    return Query(
        query="\n".join(lines),
        top_k=asked.limit,
        min_score=asked.min_score,
        candidates=asked.candidate_limit,
        collections=asked.collections,
        intent=asked.intent,
        rerank=asked.rerank,
    )


def texts_or_tokens(asked: EmbeddingsRequest) -> tuple[list[str], list[list[int]]]:
    """Texts, or lists of tokens; one of the two is empty. Raises QmdError: invalid for a mixture, too_large."""
    given = [asked.input] if isinstance(asked.input, str) else asked.input
    kinds = {type(one) for one in given}
    if kinds == {int}:
        return [], [[one for one in given if isinstance(one, int)]]
    if len(kinds) != 1:
        raise QmdError("invalid", "`input` mixes texts and tokens.", "Send one kind: texts, or lists of tokens.")
    if len(given) > MAX_TEXTS:
        raise QmdError("too_large", f"{len(given)} texts, over the limit of {MAX_TEXTS}.", "Ask in parts.")
    return [one for one in given if isinstance(one, str)], [one for one in given if isinstance(one, list)]


def check_dimensions(wanted: int | None, dimension: int, allowed: Sequence[int]) -> None:
    """Raises QmdError("invalid") for a number of coordinates that the model was not made to be cut to."""
    if wanted is not None and wanted != dimension and wanted not in allowed:
        known = ", ".join(map(str, sorted({dimension, *(one for one in allowed if one < dimension)})))
        raise QmdError("invalid", f"This model has no vectors of {wanted} dimensions.", f"There are: {known}.")


def cut(vectors: NDArray[np.float32], dimensions: int | None) -> NDArray[np.float32]:
    """The first coordinates, scaled to length 1 again."""
    if dimensions is None or not len(vectors) or dimensions >= vectors.shape[1]:
        return vectors
    short = vectors[:, :dimensions]
    lengths = np.linalg.norm(short, axis=1, keepdims=True)
    shortened: NDArray[np.float32] = (short / np.maximum(lengths, 1e-12)).astype("<f4")
    return shortened


def embeddings(vectors: NDArray[np.float32], encoding: str, model: str, tokens: int) -> EmbeddingsAnswer:
    def shape(row: NDArray[np.float32]) -> list[float] | str:
        if encoding == "base64":
            return base64.b64encode(row.astype("<f4", copy=False).tobytes()).decode()
        numbers: list[float] = row.tolist()
        return numbers

    return EmbeddingsAnswer(
        data=[Embedding(index=at, embedding=shape(row)) for at, row in enumerate(vectors)],
        model=model,
        usage=Usage(prompt_tokens=tokens, total_tokens=tokens),
    )


def ranked(asked: RerankRequest, texts: Sequence[str], reply: RerankReply) -> RerankAnswer:
    results = [
        Ranked(
            index=one.index,
            relevance_score=one.score,
            document=Passage(text=texts[one.index]) if asked.return_documents else UNSET,
        )
        for one in reply.results
    ]
    return RerankAnswer(results=results, model=reply.model)
