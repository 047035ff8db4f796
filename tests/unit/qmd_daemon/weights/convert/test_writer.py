"""The smallest parts; that whole files are what CTranslate2's own converter writes is shown in tests/parity."""

from __future__ import annotations

from pathlib import Path

import ctranslate2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from qmd_daemon.weights.convert import bert as family
from qmd_daemon.weights.convert import tensors as lazy
from qmd_daemon.weights.convert import writer

FLOATS = arrays.arrays(np.float32, 5, elements=st.floats(width=32, allow_nan=False, allow_infinity=False))


@given(FLOATS)
def test_bfloat16_is_the_nearest(values: np.ndarray) -> None:
    """No other bfloat16 is nearer."""
    with np.errstate(all="ignore"):
        bits = writer._bfloat16(values).astype(np.uint32)
        below, got, above = ((bits + np.uint32(step % 2**32) << 16).view(np.float32) for step in (-1, 0, 1))
        error, others = np.abs(got - values), (np.abs(below - values), np.abs(above - values))
    usual = np.isfinite(got) & np.isfinite(below) & np.isfinite(above)
    assert all((error <= other)[usual].all() for other in others)


def convert(bert, tensors: dict[str, np.ndarray], tmp_path: Path, quantization: str, dtype: str = "F32") -> Path:
    source = tmp_path / "source"
    bert(source, tensors, dtype)
    target = tmp_path / f"target{len(list(tmp_path.iterdir()))}"
    target.mkdir()
    family.convert(str(source), str(target), quantization, "none")
    return target


@pytest.mark.parametrize("quantization", writer.QUANTIZATIONS)
@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_every_quantization_loads_and_is_near(bert, tensors, tmp_path: Path, quantization: str, dtype: str) -> None:
    def hidden(directory: Path) -> np.ndarray:
        encoder = ctranslate2.Encoder(str(directory), compute_type="float32")
        return np.array(encoder.forward_batch([[2, 4, 5, 3]]).last_hidden_state)[0]

    exact = hidden(convert(bert, tensors, tmp_path, "float32", dtype))
    near = hidden(convert(bert, tensors, tmp_path, quantization, dtype))
    assert (exact * near).sum() / np.linalg.norm(exact) / np.linalg.norm(near) > 0.999


@pytest.mark.parametrize("quantization", ["int8", "float16", "float32"])
def test_the_size_of_the_pieces_makes_no_difference(
    bert, tensors, tmp_path: Path, quantization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = convert(bert, tensors, tmp_path, quantization)
    monkeypatch.setattr(lazy, "CHUNK_BYTES", 200)
    pieces = convert(bert, tensors, tmp_path, quantization)
    assert (pieces / "model.bin").read_bytes() == (whole / "model.bin").read_bytes()


def test_a_quantization_nobody_knows(bert, tensors, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="int4 is not one of"):
        convert(bert, tensors, tmp_path, "int4")


def test_tensors_of_different_types_are_not_mixed(safetensors, bert, tensors, tmp_path: Path) -> None:
    tensors["encoder.layer.0.attention.self.key.weight"] = np.ones((16, 16), np.int64)
    with pytest.raises(ValueError, match="do not fit together"):
        convert(bert, tensors, tmp_path, "float32")
