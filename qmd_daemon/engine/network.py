"""A converted network in CTranslate2, with its tokenizer: what is alike for all roles. For the worker only."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import ctranslate2
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from qmd_daemon.engine.device import Device
from qmd_daemon.engine.model import Tokens
from qmd_daemon.weights.entry import DECODERS, TOKENIZER, Entry

# Unloading does nothing while the library still counts the last batch as running, for some milliseconds.
_UNLOAD_S = 2.0


class Network:
    """`replicas` batches are computed at once, each by so many `threads` of a CPU.

    For an encoder a second thread makes a batch slower, not faster (measured: 0.65 times the speed).
    """

    def __init__(self, entry: Entry, directory: str, device: Device, replicas: int, threads: int = 1) -> None:
        """Raises RuntimeError, CTranslate2's, when it cannot be loaded on that device."""
        self.tokenizer = load_tokenizer(directory)
        self._ids = self.tokenizer.get_vocab_size()
        self._cuda = device.name == "cuda"
        self._decoder = entry.family in DECODERS
        make = ctranslate2.Generator if self._decoder else ctranslate2.Encoder
        self.model: Any = make(
            directory,
            device=device.name,
            compute_type=device.compute_type,
            inter_threads=replicas,
            intra_threads=threads,
        )

    def outputs(self, batch: Sequence[Tokens], types: Sequence[Tokens] | None = None) -> NDArray[np.float32]:
        """(texts, positions, n): an encoder's last hidden states, or what a decoder's projection makes of them.

        What is beyond the length of a text means nothing, and neither do a decoder's columns beyond its
        projection: on a GPU there is padding, for the tensor cores.
        """
        self._check(batch)
        texts = list(batch)
        if self._decoder:
            return self._array(self.model.forward_batch(texts))
        if types is None:
            return self._array(self.model.forward_batch(texts).last_hidden_state)
        return self._array(self.model.forward_batch(texts, token_type_ids=list(types)).last_hidden_state)

    def close(self) -> None:
        """Free the weights."""
        until = time.monotonic() + _UNLOAD_S
        while self.model.model_is_loaded and time.monotonic() < until:
            self.model.unload_model()
            time.sleep(0.005)
        self.model = None

    def _check(self, batch: Sequence[Tokens]) -> None:
        """Each of these would kill the process or give NaN, inside the library."""
        if not batch or not all(batch):
            raise ValueError("an empty batch or text")
        if not 0 <= min(map(min, batch)) <= max(map(max, batch)) < self._ids:
            raise ValueError("a token that the model does not have")

    def _array(self, view: Any) -> NDArray[np.float32]:
        if self._cuda:
            view = view.to(ctranslate2.DataType.float32).to_device(ctranslate2.Device.cpu)
        array = np.asarray(view)
        return array if array.dtype == np.float32 else array.astype(np.float32)


def load_tokenizer(directory: str) -> Tokenizer:
    """The model's tokenizer, as the model was trained: what its file says of padding and truncation is not used."""
    tokenizer = Tokenizer.from_file(os.path.join(directory, TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
