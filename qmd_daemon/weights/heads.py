"""What is made of a model's hidden states: a vector of a text, or the score of a pair. Imports numpy, nothing else.

Scores are logits: above 0 is more yes than no, and `sigmoid` makes a probability of one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from qmd_daemon.weights.entry import Entry, Pooling

FILE = "head.npz"
Floats = NDArray[np.float32]


class Classifier(Struct, frozen=True):
    """The two layers that make one number of a pair's first token: BERT's pooler and classifier, and XLM-R's."""

    dense: Floats  # (hidden, hidden)
    dense_bias: Floats  # (hidden,)
    output: Floats  # (1, hidden)
    output_bias: Floats  # (1,)

    def scores(self, hidden: Floats) -> Floats:
        """One logit for each pair. `hidden`: (pairs, positions, hidden), the encoder's last."""
        first = np.tanh(hidden[:, 0].astype(np.float32) @ self.dense.T + self.dense_bias)
        scores: Floats = (first @ self.output.T + self.output_bias)[:, 0]
        return scores


def save(directory: str, dense: Floats, dense_bias: Floats, output: Floats, output_bias: Floats) -> None:
    """Write head.npz. Raises ValueError when these are not the two layers of a model with one score."""
    hidden = dense.shape[0]
    shapes = (dense.shape, dense_bias.shape, output.shape, output_bias.shape)
    if output.shape[:1] != (1,):
        raise ValueError(f"its classifier has {output.shape[0]} outputs instead of one score")
    if shapes != ((hidden, hidden), (hidden,), (1, hidden), (1,)):
        raise ValueError("its classifier does not fit its size")
    layers = {"dense": dense, "dense_bias": dense_bias, "output": output, "output_bias": output_bias}
    as_float32 = {name: layer.astype(np.float32) for name, layer in layers.items()}
    np.savez(os.path.join(directory, FILE), allow_pickle=False, **as_float32)


def load(directory: str) -> Classifier:
    """Read head.npz, which the manifest has vouched for."""
    with np.load(os.path.join(directory, FILE), allow_pickle=False) as file:
        return Classifier(*(file[name] for name in Classifier.__struct_fields__))


def yes_no(logits: Floats, lengths: Sequence[int]) -> Floats:
    """The scores of pairs from the logits of "yes" and "no": (pairs, positions, 2 or more, of which the first count).

    A GPU pads the columns to a multiple of eight.
    """
    last: Floats = _last(logits, lengths).astype(np.float32)
    scores: Floats = last[:, 0] - last[:, 1]
    return scores


def sigmoid(scores: Floats) -> Floats:
    """Probabilities, without an overflow for any score."""
    small = np.exp(-np.abs(scores))
    probabilities: Floats = np.where(scores >= 0, 1 / (1 + small), small / (1 + small)).astype(np.float32)
    return probabilities


def vectors(entry: Entry, hidden: Floats, lengths: Sequence[int]) -> Floats:
    """The vectors of texts, as the entry wants them: pooled, cut to its dimension, and of length 1.

    `hidden`: (texts, positions, hidden). What is beyond a text's length is not looked at: CTranslate2 leaves
    copies of the last token there, not zeros.
    """
    pooled = pool(hidden, lengths, entry.pooling)
    if pooled.shape[1] < entry.dimension:
        raise ValueError(f"vectors of {pooled.shape[1]} instead of {entry.dimension}")
    cut = np.ascontiguousarray(pooled[:, : entry.dimension])
    return cut / np.linalg.norm(cut, axis=1, keepdims=True) if entry.normalise else cut


def pool(hidden: Floats, lengths: Sequence[int], pooling: Pooling) -> Floats:
    """One vector for each text: of its first token, its last, or the mean of all."""
    match pooling:
        case "cls":
            return np.ascontiguousarray(hidden[:, 0], dtype=np.float32)
        case "last":
            return np.ascontiguousarray(_last(hidden, lengths), dtype=np.float32)
        case "mean":
            counts = np.asarray(lengths)[:, None]
            weights = ((np.arange(hidden.shape[1]) < counts) / counts).astype(np.float32)
            means: Floats = np.matmul(weights[:, None, :], hidden)[:, 0]
            return means
        case "none":
            raise ValueError("a model without pooling has no vectors")


def _last(states: Floats, lengths: Sequence[int]) -> Floats:
    last: Floats = states[np.arange(len(states)), np.asarray(lengths) - 1]
    return last
