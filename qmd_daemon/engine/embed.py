"""Sentence vectors, from an encoder or a decoder in CTranslate2. For the worker only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qmd_daemon.engine.device import Device
from qmd_daemon.engine.frames import Answer, Embed, Embedded
from qmd_daemon.engine.model import Kind, Tokens, Vectors
from qmd_daemon.engine.network import Network
from qmd_daemon.engine.role import Alive, Piece
from qmd_daemon.weights import heads
from qmd_daemon.weights.entry import Entry


class Embedder:
    """Implements `role.Model`: a piece is a text, a row its vector."""

    def __init__(self, entry: Entry, directory: str, device: Device, replicas: int) -> None:
        self._entry = entry
        self._network = Network(entry, directory, device, replicas)
        tokenizer = self._network.tokenizer
        self._end: list[int] = [tokenizer.token_to_id(entry.end_token)] if entry.end_token else []  # type: ignore[list-item]
        tokenizer.enable_truncation(entry.max_tokens - len(self._end))

    def encode(self, request: Embed) -> list[Piece]:
        return [Piece(number, tokens) for number, tokens in enumerate(self.tokens(request.texts, request.kind))]

    def compute(self, batch: Sequence[Piece], alive: Alive) -> Vectors:
        return self.vectors([piece.tokens for piece in batch])

    def tokens(self, texts: Sequence[str], kind: Kind) -> list[Tokens]:
        """Cut texts into tokens, with their prompt and what belongs around them."""
        prompt = self._entry.query_prompt if kind == "query" else self._entry.document_prompt
        # The batch call releases the GIL, the call for one text does not.
        encodings = self._network.tokenizer.encode_batch_fast([prompt + text for text in texts])
        return [self._ended(encoding.ids) for encoding in encodings]

    def vectors(self, texts: Sequence[Tokens]) -> Vectors:
        """The vectors of texts, at least one, that are cut into tokens. Raises ValueError for what are no tokens."""
        return heads.vectors(self._entry, self._network.outputs(texts), list(map(len, texts)))

    def answer(self, request: Embed, pieces: Sequence[Piece], rows: Sequence[Vectors]) -> Answer:
        return Embedded(request.id, np.stack(rows).astype("<f4", copy=False).tobytes())

    def close(self) -> None:
        self._network.close()

    def _ended(self, tokens: list[int]) -> list[int]:
        """With the token whose hidden state is the text's, once: some tokenizers add it themselves."""
        return tokens if tokens[-1:] == self._end else tokens + self._end
