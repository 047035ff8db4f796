"""How well a document answers a query, from a cross-encoder or a decoder in CTranslate2. For the worker only."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qmd_daemon.engine.device import Device
from qmd_daemon.engine.frames import Answer, Rerank, Scored
from qmd_daemon.engine.model import Score, Tokens
from qmd_daemon.engine.network import Network
from qmd_daemon.engine.role import Alive, Piece
from qmd_daemon.engine.windows import Frame, Pair, Template
from qmd_daemon.weights import heads
from qmd_daemon.weights.entry import Entry


class Reranker:
    """Implements `role.Model`: a piece is a window of a document with its query, a row its logit.

    The logit of a decoder is that of *yes* less that of *no*: the sigmoid of it is the softmax over the two.
    """

    def __init__(self, entry: Entry, directory: str, device: Device, replicas: int) -> None:
        self._network = Network(entry, directory, device, replicas)
        tokenizer = self._network.tokenizer
        self._classifier = None if entry.head == "yes-no" else heads.load(directory)
        self._separator: int | None = None
        if entry.head == "yes-no":
            self._frame: Frame = Template(tokenizer, entry.template, entry.max_tokens)
        elif entry.family == "bert":
            self._frame = Pair(tokenizer, "[CLS]", ["[SEP]"], "[SEP]", entry.max_tokens)
            self._separator = tokenizer.token_to_id("[SEP]")
        else:
            self._frame = Pair(tokenizer, "<s>", ["</s>", "</s>"], "</s>", entry.max_tokens)

    def encode(self, request: Rerank) -> list[Piece]:
        return [Piece(number, tokens) for number, tokens in self._frame.windows(request.query, request.documents)]

    def compute(self, batch: Sequence[Piece], alive: Alive) -> NDArray[np.float32]:
        texts = [piece.tokens for piece in batch]
        if self._classifier is None:
            return heads.yes_no(self._network.outputs(texts), list(map(len, texts)))
        separator = self._separator
        types = None if separator is None else [token_types(tokens, separator) for tokens in texts]
        return self._classifier.scores(self._network.outputs(texts, types))

    def answer(self, request: Rerank, pieces: Sequence[Piece], rows: Sequence[float]) -> Answer:
        logits = best(len(request.documents), pieces, rows)
        probabilities = heads.sigmoid(np.asarray(logits, np.float32)).tolist()
        return Scored(request.id, [Score(*pair) for pair in zip(probabilities, logits, strict=True)])

    def close(self) -> None:
        self._network.close()


def token_types(tokens: Tokens, separator: int) -> Tokens:
    """0 for the query and its separator, 1 for the document: BERT tells the two apart by them."""
    if separator not in tokens:
        raise ValueError("a pair without the token between query and document")
    first = tokens.index(separator) + 1
    return [0] * first + [1] * (len(tokens) - first)


def best(documents: int, pieces: Sequence[Piece], rows: Sequence[float]) -> list[float]:
    """The highest row of each document's windows."""
    found = [-math.inf] * documents
    for piece, row in zip(pieces, rows, strict=True):
        found[piece.of] = max(found[piece.of], float(row))
    return found
