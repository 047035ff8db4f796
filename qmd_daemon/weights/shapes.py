"""How large the networks of the known models are, from their config.json: what decides the memory of their work."""

from __future__ import annotations

from msgspec import Struct


class Shape(Struct, frozen=True):
    """`keys`: heads of keys and values, of `head` numbers each; `gated`: the inner layer is computed twice."""

    hidden: int
    layers: int
    heads: int
    keys: int
    head: int
    inner: int
    gated: bool = False


_MINI = Shape(384, 12, 12, 12, 32, 1536)
_BASE = Shape(768, 12, 12, 12, 64, 3072)
_LARGE = Shape(1024, 24, 16, 16, 64, 4096)
_QWEN3 = Shape(1024, 28, 16, 8, 128, 3072, gated=True)

SHAPES: dict[str, Shape] = {
    "all-minilm-l6-v2": Shape(384, 6, 12, 12, 32, 1536),
    "ms-marco-minilm-l6-v2": Shape(384, 6, 12, 12, 32, 1536),
    "multilingual-e5-small": _MINI,
    "mmarco-mminilmv2-l12-h384-v1": _MINI,
    "bge-small-en-v1.5": _MINI,
    "bge-small-zh-v1.5": Shape(512, 4, 8, 8, 64, 2048),
    "multilingual-e5-base": _BASE,
    "bge-base-zh-v1.5": _BASE,
    "bge-base-en-v1.5": _BASE,
    "bce-embedding-base-v1": _BASE,
    "bce-reranker-base-v1": _BASE,
    "bge-reranker-base": _BASE,
    "bge-m3": _LARGE,
    "bge-reranker-v2-m3": _LARGE,
    "qwen3-embedding-0.6b": _QWEN3,
    "qwen3-reranker-0.6b": _QWEN3,
    "qwen3-0.6b": _QWEN3,
    "qwen2.5-0.5b-instruct": Shape(896, 24, 14, 2, 64, 4864, gated=True),
}
