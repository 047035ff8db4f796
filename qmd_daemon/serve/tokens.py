"""The embedding model's tokens, for conventions that count or send them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from ipc.errors import QmdError
from qmd_daemon.engine.model import ModelInfo

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def count(model: ModelInfo, texts: Sequence[str]) -> int:
    """How many tokens the model sees of the texts; words, where a model has no tokens. Blocks."""
    if model.tokenizer_file is None:
        return sum(min(len(text.split()), model.max_tokens) for text in texts)
    encoded = _tokenizer(model.tokenizer_file).encode_batch_fast(list(texts))
    return sum(min(len(one.ids), model.max_tokens) for one in encoded)


def decode(model: ModelInfo, tokens: Sequence[Sequence[int]]) -> list[str]:
    """The texts of tokens. Blocks. Raises QmdError("invalid") for a model without, and for one that it has not."""
    if model.tokenizer_file is None:
        raise QmdError("invalid", f"The model {model.name} has no tokens.", "Send the texts themselves.")
    tokenizer = _tokenizer(model.tokenizer_file)
    size = tokenizer.get_vocab_size()
    if any(not 0 <= token < size for text in tokens for token in text):
        raise QmdError(
            "invalid",
            f"Tokens of {model.name} are numbers from 0 to {size - 1}.",
            "Send the texts themselves, or this model's own tokens.",
        )
    return tokenizer.decode_batch([list(text) for text in tokens])


@lru_cache(2)
def _tokenizer(file: str) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(file)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
