"""The tokens of a model by their ids, from tokenizer.json, whatever kind of tokenizer it is."""

from __future__ import annotations

from msgspec import Struct

from qmd_daemon.weights.convert.files import read_json
from qmd_daemon.weights.entry import TOKENIZER


class _Vocabulary(Struct, frozen=True):
    """WordPiece and BPE have ids by token, Unigram has tokens and their scores in the order of the ids."""

    vocab: dict[str, int] | list[tuple[str, float]]


class _Added(Struct, frozen=True):
    id: int
    content: str


class _Tokenizer(Struct, frozen=True):
    model: _Vocabulary
    added_tokens: list[_Added] = []


def read(source: str, size: int) -> list[str]:
    """The tokens in the order of their ids, filled up to the model's `size`. Raises ValueError."""
    tokenizer = read_json(source, TOKENIZER, _Tokenizer)
    vocab = tokenizer.model.vocab
    if isinstance(vocab, dict):
        by_id = {number: token for token, number in vocab.items()}
    else:
        by_id = {number: token for number, (token, _) in enumerate(vocab)}
    by_id.update((added.id, added.content) for added in tokenizer.added_tokens)
    if by_id and max(by_id) >= size:
        raise ValueError("its vocabulary is larger than its embeddings")
    extra = iter(range(size))
    return [by_id[number] if number in by_id else f"<extra_id_{next(extra)}>" for number in range(size)]


def number(source: str, token: str, size: int) -> int:
    """The id of a token. Raises ValueError when there is none."""
    tokens = read(source, size)
    if token not in tokens:
        raise ValueError(f"its vocabulary has no token {token!r}")
    return tokens.index(token)
