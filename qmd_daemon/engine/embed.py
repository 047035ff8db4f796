"""Sentence vectors from an encoder in CTranslate2. Imports it: for the worker only."""

from __future__ import annotations

import os
from collections.abc import Sequence

import ctranslate2
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from qmd_daemon.engine.device import Device
from qmd_daemon.engine.model import Kind, Tokens, Vectors
from qmd_daemon.weights import catalog
from qmd_daemon.weights.entry import Entry


class Ct2Model:
    """Implements `Model`. `replicas` batches are computed at once, on the CPU by one thread each.

    On the CPU a second thread within a batch makes it slower, not faster (measured: 0.65 times the speed).
    """

    def __init__(self, entry: Entry, directory: str, device: Device, replicas: int) -> None:
        self._entry = entry
        self._cuda = device.name == "cuda"
        self._tokenizer = load_tokenizer(entry, directory)
        self._ids = self._tokenizer.get_vocab_size()
        self._encoder = ctranslate2.Encoder(
            directory,
            device=device.name,
            compute_type=device.compute_type,
            inter_threads=replicas,
            intra_threads=1,
        )

    def encode(self, texts: Sequence[str], kind: Kind) -> list[Tokens]:
        prompt = self._entry.query_prompt if kind == "query" else self._entry.document_prompt
        # The batch call releases the GIL, the call for one text does not.
        encodings = self._tokenizer.encode_batch_fast([prompt + text for text in texts] if prompt else list(texts))
        return [encoding.ids for encoding in encodings]

    def embed(self, batch: Sequence[Tokens]) -> Vectors:
        # Each of these would kill the process or give NaN, inside the library.
        if not batch or not all(batch):
            raise ValueError("an empty batch or text")
        if not 0 <= min(map(min, batch)) <= max(map(max, batch)) < self._ids:
            raise ValueError("a token that the model does not have")
        hidden = self._encoder.forward_batch(list(batch)).last_hidden_state
        if self._cuda:
            hidden = hidden.to(ctranslate2.DataType.float32).to_device(ctranslate2.Device.cpu)
        return mean(np.asarray(hidden), [len(tokens) for tokens in batch])


def load_tokenizer(entry: Entry, directory: str) -> Tokenizer:
    """The model's tokenizer, as the model was trained: what its file says of padding and truncation is not used."""
    tokenizer = Tokenizer.from_file(os.path.join(directory, catalog.TOKENIZER))
    tokenizer.no_padding()
    tokenizer.enable_truncation(entry.max_tokens)
    return tokenizer


def mean(hidden: NDArray[np.float32], lengths: Sequence[int]) -> Vectors:
    """Average the first `lengths[i]` rows of hidden[i] (texts, positions, dimension), and scale to length 1.

    CTranslate2 leaves copies of the last token in the padding, not zeros: hence the lengths.
    """
    counts = np.asarray(lengths)[:, None]
    weights = ((np.arange(hidden.shape[1]) < counts) / counts).astype(np.float32)
    vectors: Vectors = np.matmul(weights[:, None, :], hidden)[:, 0]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors
