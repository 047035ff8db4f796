"""Converts models of the Qwen2 family (Qwen2.5 too): biases on queries, keys and values."""

from __future__ import annotations

from qmd_daemon.weights.convert import decoder
from qmd_daemon.weights.entry import Head


def convert(source: str, target: str, quantization: str, head: Head) -> None:
    """See `decoder.convert`."""
    decoder.convert(source, target, quantization, head, qk_norm=False)
