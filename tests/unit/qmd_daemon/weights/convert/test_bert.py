"""What the converter accepts and refuses; tests/parity holds what it writes against the truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from qmd_daemon.weights.convert.bert import convert

Tensors = dict[str, np.ndarray]


@pytest.fixture
def converted(bert, tmp_path: Path):
    """Write a checkpoint, convert it, and return the new directory."""

    def run(tensors: Tensors, dtype: str = "F32", quantization: str = "float32", **config: object) -> Path:
        source = tmp_path / "source"
        target = tmp_path / f"target{len(list(tmp_path.iterdir()))}"
        target.mkdir()
        bert(source, tensors, dtype, **config)
        convert(str(source), str(target), quantization, "none")
        return target

    return run


def old_name(name: str) -> str:
    return f"bert.{name}".replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")


def test_dialects_of_names_give_the_same_model(converted, tensors: Tensors) -> None:
    plain = converted(tensors)
    dialect = converted({old_name(name): tensor for name, tensor in tensors.items()})
    bare = converted({name: t for name, t in tensors.items() if "pooler" not in name and "position_ids" not in name})
    for other in (dialect, bare):
        assert (other / "model.bin").read_bytes() == (plain / "model.bin").read_bytes()


def test_bfloat16_is_read_as_what_it_means(converted, tensors: Tensors) -> None:
    rounded = {
        name: (t.view(np.uint32) & 0xFFFF0000).view(np.float32) if t.dtype == np.float32 else t
        for name, t in tensors.items()
    }
    half, whole = converted(tensors, "BF16"), converted(rounded)
    assert (half / "model.bin").read_bytes() == (whole / "model.bin").read_bytes()


def test_int8_is_about_a_quarter(converted, tensors: Tensors) -> None:
    small, large = converted(tensors, quantization="int8"), converted(tensors)
    assert (small / "model.bin").stat().st_size < 0.6 * (large / "model.bin").stat().st_size


def test_the_vocabulary_fills_the_embeddings(converted, tensors: Tensors, words: list[str]) -> None:
    directory = converted(tensors)
    expected = [*words, "<extra_id_0>", "<extra_id_1>"]
    assert json.loads((directory / "vocabulary.json").read_text()) == expected
    assert json.loads((directory / "config.json").read_text())["layer_norm_epsilon"] == 1e-12


def test_a_missing_tensor_is_named(converted, tensors: Tensors) -> None:
    del tensors["encoder.layer.1.output.dense.bias"]
    with pytest.raises(ValueError, match=r"encoder\.layer\.1\.output\.dense\.bias"):
        converted(tensors)


def test_a_tensor_that_would_be_left_out_is_named(converted, tensors: Tensors) -> None:
    tensors["encoder.layer.0.attention.distance.weight"] = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"1 unknown tensors, such as encoder\.layer\.0\.attention\.distance"):
        converted(tensors)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"position_embedding_type": "relative_key"}, "relative_key positions"),
        ({"hidden_act": "mish"}, "not one of this family"),
        ({"num_hidden_layers": "two"}, r"config\.json"),
        ({"vocab_size": 3}, "larger than its embeddings"),
    ],
)
def test_another_configuration_is_refused(converted, tensors: Tensors, config: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        converted(tensors, **config)
