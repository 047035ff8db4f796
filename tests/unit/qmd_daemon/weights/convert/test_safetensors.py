from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from qmd_daemon.weights.convert.safetensors import Checkpoint

floats = arrays.arrays(np.float32, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))


@given(st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"), floats, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tensors_come_back(safetensors, tmp_path: Path, tensors: dict[str, np.ndarray]) -> None:
    file = tmp_path / "t.safetensors"
    safetensors(file, tensors)
    with Checkpoint(str(file)) as checkpoint:
        assert checkpoint.names() == set(tensors)
        for name, tensor in tensors.items():
            assert np.array_equal(checkpoint.read(name), tensor, equal_nan=True)


@pytest.mark.parametrize(("dtype", "expected"), [("F32", 1 / 3), ("F16", 0.33325195), ("BF16", 0.33203125)])
def test_types_of_float(safetensors, tmp_path: Path, dtype: str, expected: float) -> None:
    file = tmp_path / "t.safetensors"
    safetensors(file, {"third": np.full((2, 2), 1 / 3, np.float32)}, dtype)
    with Checkpoint(str(file)) as checkpoint:
        assert checkpoint.read("third") == pytest.approx(np.full((2, 2), expected))


def test_what_is_read_may_be_changed_and_outlives_the_file(safetensors, tmp_path: Path) -> None:
    file = tmp_path / "t.safetensors"
    safetensors(file, {"a": np.ones(3, np.float32)})
    with Checkpoint(str(file)) as checkpoint:
        tensor = checkpoint.read("a")
        tensor *= 2
        assert checkpoint.read("a").tolist() == [1, 1, 1]
    assert tensor.tolist() == [2, 2, 2]


def test_a_name_that_is_not_there(safetensors, tmp_path: Path) -> None:
    file = tmp_path / "t.safetensors"
    safetensors(file, {})
    with Checkpoint(str(file)) as checkpoint, pytest.raises(ValueError, match="no tensor x"):
        checkpoint.read("x")


def test_every_truncation_is_refused(safetensors, tmp_path: Path) -> None:
    file = tmp_path / "t.safetensors"
    safetensors(file, {"a": np.ones(3, np.float32)})
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"too short|cut off|cannot be read"):
            Checkpoint(str(file))


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        ({"dtype": "F4", "shape": [1], "data_offsets": [0, 4]}, "unknown type"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}, "does not fit"),
        ({"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}, "does not fit"),
        ({"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}, "does not fit"),
        ({"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}, "cut off"),
        ({"dtype": "F32", "shape": "x", "data_offsets": [0, 4]}, "cannot be read"),
        ([], "cannot be read"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, tensor: Any, reason: str) -> None:
    head = json.dumps({"a": tensor}).encode()
    file = tmp_path / "t.safetensors"
    file.write_bytes(len(head).to_bytes(8, "little") + head + b"\x00" * 4)
    with pytest.raises(ValueError, match=reason):
        Checkpoint(str(file))
