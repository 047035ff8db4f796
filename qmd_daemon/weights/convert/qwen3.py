"""Converts models of the Qwen3 family: queries and keys are normalised, and heads have a size of their own."""

from __future__ import annotations

from qmd_daemon.weights.convert import decoder
from qmd_daemon.weights.entry import Head


def convert(source: str, target: str, quantization: str, head: Head) -> None:
    """See `decoder.convert`."""
    decoder.convert(source, target, quantization, head, qk_norm=True)
