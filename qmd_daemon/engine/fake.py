"""A deterministic engine without weights: texts are similar when they share words.

Every word, and every two neighbouring characters of a Chinese, Japanese or Korean run, adds its own few
coordinates, which its hash decides. `QMD_FAKE_DELAY_MS` (for each text) makes it slow enough to be caught at work.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from qmd_daemon.engine.model import Kind, ModelInfo, Tokens, Vectors

INFO = ModelInfo(name="fake", fingerprint="fake-1", dimension=384, max_tokens=256, tokenizer_file=None)
# Eight coordinates of 384 for each word, so that different words are nearly perpendicular: two bytes decide each.
_TOKEN_BYTES = 16
_CJK = "぀-ヿ㐀-䶿一-鿿豈-﫿가-힯"
_WORD = re.compile(rf"[{_CJK}]+|[^\W{_CJK}]+")


class FakeModel:
    """Implements `Model`. A token is 128 bits of a word's hash."""

    def __init__(self) -> None:
        self._delay_s = float(os.environ.get("QMD_FAKE_DELAY_MS", "0")) / 1000

    def encode(self, texts: Sequence[str], kind: Kind) -> list[Tokens]:
        # An empty text has a direction of its own, too.
        return [[_hash(word) for word in _words(text)][: INFO.max_tokens] or [0] for text in texts]

    def embed(self, batch: Sequence[Tokens]) -> Vectors:
        time.sleep(self._delay_s * len(batch))
        vectors = np.zeros((len(batch), INFO.dimension), dtype=np.float32)
        for vector, tokens in zip(vectors, batch, strict=True):
            bits = np.frombuffer(b"".join(token.to_bytes(_TOKEN_BYTES, "little") for token in tokens), "<u2")
            np.add.at(vector, (bits >> 1) % INFO.dimension, np.where(bits & 1, 1.0, -1.0))
        # Words that cancel each other out to nothing still need a length.
        vectors[~vectors.any(axis=1), 0] = 1.0
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


def _words(text: str) -> list[str]:
    words: list[str] = []
    for run in _WORD.findall(text.casefold()):
        if len(run) > 1 and re.match(f"[{_CJK}]", run):
            words.extend(run[i : i + 2] for i in range(len(run) - 1))
        else:
            words.append(run)
    return words


@lru_cache(maxsize=65_536)
def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=_TOKEN_BYTES).digest(), "little")
