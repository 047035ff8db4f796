"""A model of a few kilobytes, in a package that must never be imported."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from qmd_daemon.weights import catalog
from qmd_daemon.weights.entry import Entry, Package

HIDDEN, INNER, LAYERS, POSITIONS = 16, 32, 2, 24
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "##d"]
NAMES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8"}


def write_safetensors(path: Path, tensors: Mapping[str, np.ndarray], dtype: str = "F32") -> None:
    """Write float32 tensors as `dtype`, and integer ones as they are."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, tensor in tensors.items():
        kind = "I64" if tensor.dtype == np.int64 else dtype
        stored = (tensor.view(np.uint32) >> 16) if kind == "BF16" else tensor
        raw = stored.astype(NAMES[kind]).tobytes()
        header[name] = {"dtype": kind, "shape": tensor.shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    head = json.dumps(header).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + data)


def bert_tensors(seed: int = 7) -> dict[str, np.ndarray]:
    """Random tensors of a tiny BertModel, by their names."""
    random = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(WORDS) + 2, HIDDEN),
        "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
        "embeddings.LayerNorm.weight": (HIDDEN,),
        "embeddings.LayerNorm.bias": (HIDDEN,),
        "pooler.dense.weight": (HIDDEN, HIDDEN),
        "pooler.dense.bias": (HIDDEN,),
    }
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        for part, rows, columns in (
            ("attention.self.query", HIDDEN, HIDDEN),
            ("attention.self.key", HIDDEN, HIDDEN),
            ("attention.self.value", HIDDEN, HIDDEN),
            ("attention.output.dense", HIDDEN, HIDDEN),
            ("intermediate.dense", INNER, HIDDEN),
            ("output.dense", HIDDEN, INNER),
        ):
            shapes[f"{layer}.{part}.weight"] = (rows, columns)
            shapes[f"{layer}.{part}.bias"] = (rows,)
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"{layer}.{part}.weight"] = shapes[f"{layer}.{part}.bias"] = (HIDDEN,)
    tensors = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return {**tensors, "embeddings.position_ids": np.arange(POSITIONS)[None]}


def write_bert(directory: Path, tensors: Mapping[str, np.ndarray], dtype: str = "F32", **config: Any) -> None:
    """Write a checkpoint as a hub has it."""
    directory.mkdir(parents=True, exist_ok=True)
    settings = {
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "layer_norm_eps": 1e-12,
        "num_attention_heads": 4,
        "num_hidden_layers": LAYERS,
        "vocab_size": len(WORDS) + 2,
        **config,
    }
    (directory / "config.json").write_text(json.dumps(settings))
    vocabulary = {word: number for number, word in enumerate(WORDS[:-1])}
    added = [{"id": len(WORDS) - 1, "content": WORDS[-1]}]
    (directory / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}, "added_tokens": added}))
    write_safetensors(directory / "model.safetensors", tensors, dtype)


@pytest.fixture
def tensors() -> dict[str, np.ndarray]:
    return bert_tensors()


@pytest.fixture
def bert():
    """`write_bert`, for tests."""
    return write_bert


@pytest.fixture
def safetensors():
    """`write_safetensors`, for tests."""
    return write_safetensors


@pytest.fixture
def words() -> list[str]:
    return WORDS


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the weights in an installed package."""
    site = tmp_path / "site"
    directory = site / "tiny_bert_weights" / "model"
    write_bert(directory, bert_tensors())
    (directory.parent / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(str(site))
    return directory


@pytest.fixture
def entry(package: Path, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """The catalog's entry of that model."""
    weights = package / catalog.WEIGHTS
    minilm = catalog.get("all-minilm-l6-v2")
    source = Package(
        module="tiny_bert_weights",
        requirement="tiny-bert-weights==1.0",
        directory="model",
        sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        size_bytes=os.path.getsize(weights),
    )
    tiny = msgspec.structs.replace(minilm, name="tiny", dimension=HIDDEN, max_tokens=POSITIONS, source=source)
    monkeypatch.setattr(catalog, "ENTRIES", (*catalog.ENTRIES, tiny))
    return tiny
