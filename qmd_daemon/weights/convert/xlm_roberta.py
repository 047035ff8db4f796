"""Converts models of the XLM-RoBERTa family: BERTs whose positions begin behind that of the padding."""

from __future__ import annotations

from qmd_daemon.weights.convert import encoder
from qmd_daemon.weights.entry import Head

_XLM_ROBERTA = encoder.Dialect(
    prefix="roberta.",
    unk_token="<unk>",  # noqa: S106
    dense="classifier.dense",
    output="classifier.out_proj",
    positions_follow_padding=True,
)


def convert(source: str, target: str, quantization: str, head: Head) -> None:
    """See `encoder.convert`."""
    encoder.convert(_XLM_ROBERTA, source, target, quantization, head)
