"""Converts models of the BERT family."""

from __future__ import annotations

from qmd_daemon.weights.convert import encoder
from qmd_daemon.weights.entry import Head

_BERT = encoder.Dialect(
    prefix="bert.",
    unk_token="[UNK]",  # noqa: S106
    dense="pooler.dense",
    output="classifier",
)


def convert(source: str, target: str, quantization: str, head: Head) -> None:
    """See `encoder.convert`."""
    encoder.convert(_BERT, source, target, quantization, head)
