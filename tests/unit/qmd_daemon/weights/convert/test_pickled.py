"""Files as torch.save writes them, made here without torch; tests/parity reads real ones."""

from __future__ import annotations

import io
import os
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from qmd_daemon.weights.convert.pickled import Pickled


class Tensor(NamedTuple):
    """A tensor of a storage, as torch would pickle it."""

    key: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int = 0
    kind: str = "FloatStorage"


class Pickler(pickle.Pickler):
    """Writes the names of torch's functions without having them."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=2)
        self.kinds: dict[str, type] = {}

    def kind(self, name: str) -> type:
        return self.kinds.setdefault(name, getattr(sys.modules["torch"], name))

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, tuple) and value[:1] == ("the storage",):
            _, kind, key = value
            return ("storage", self.kind(kind), key, "cpu", 0)
        return None

    def reducer_override(self, value: Any) -> Any:
        if type(value) is Holder:
            tensor = value.tensor
            storage = ("the storage", tensor.kind, tensor.key)
            arguments = (storage, tensor.offset, tensor.shape, tensor.stride, False, OrderedDict())
            return sys.modules["torch._utils"]._rebuild_tensor_v2, arguments  # type: ignore[attr-defined]
        return NotImplemented


class Holder:
    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


@pytest.fixture
def save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write tensors and their storages, and return the file."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "HalfStorage", "BFloat16Storage", "LongStorage", "QUInt8Storage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2(*_: object) -> None:
        raise AssertionError("called")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    def write(tensors: dict[str, Any], storages: dict[str, np.ndarray], compression: int = zipfile.ZIP_STORED) -> str:
        table = io.BytesIO()
        held = {name: Holder(value) if isinstance(value, Tensor) else value for name, value in tensors.items()}
        Pickler(table).dump(OrderedDict(held))
        path = tmp_path / "pytorch_model.bin"
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr("archive/data.pkl", table.getvalue())
            for key, storage in storages.items():
                archive.writestr(f"archive/data/{key}", storage.tobytes())
        return str(path)

    return write


DATA = np.arange(12, dtype=np.float32)


def test_tensors_of_shared_storages(save) -> None:
    path = save({"a": Tensor("0", (3, 4), (4, 1)), "b": Tensor("0", (2,), (1,), offset=10)}, {"0": DATA})
    file = Pickled(path)
    assert (file.names(), file.shape("a"), file.dtype("a")) == ({"a", "b"}, (3, 4), "float32")
    assert file.read("a", 1, 2).tolist() == [[4, 5, 6, 7]]
    assert file.read("b").tolist() == [10, 11]
    file.close()


@pytest.mark.parametrize(
    ("kind", "stored", "dtype"),
    [
        ("HalfStorage", DATA.astype("<f2"), "float16"),
        ("BFloat16Storage", (DATA.view(np.uint32) >> 16).astype("<u2"), "bfloat16"),
        ("LongStorage", DATA.astype("<i8"), "int64"),
    ],
)
def test_types(save, kind: str, stored: np.ndarray, dtype: str) -> None:
    file = Pickled(save({"a": Tensor("0", (12,), (1,), kind=kind)}, {"0": stored}))
    assert file.dtype("a") == dtype
    assert file.read("a").tolist() == DATA.tolist()
    file.close()


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/owned",)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (Evil(), "system, which is no tensor"),
        (Tensor("0", (12,), (1,), kind="QUInt8Storage"), "QUInt8Storage, which is no tensor"),
        (Tensor("0", (4, 3), (1, 4)), "not contiguous"),
    ],
)
def test_what_is_not_a_plain_tensor_is_refused_and_not_run(save, value: Any, reason: str) -> None:
    path = save({"a": value}, {"0": DATA})
    with pytest.raises(ValueError, match=reason):
        Pickled(path)


@pytest.mark.parametrize(
    ("tensor", "compression"),
    [
        (Tensor("0", (13,), (1,)), zipfile.ZIP_STORED),
        (Tensor("0", (12,), (1,), offset=1), zipfile.ZIP_STORED),
        (Tensor("1", (12,), (1,)), zipfile.ZIP_STORED),
        (Tensor("0", (12,), (1,)), zipfile.ZIP_DEFLATED),
    ],
)
def test_a_storage_that_does_not_hold_its_tensor(save, tensor: Tensor, compression: int) -> None:
    file = Pickled(save({"a": tensor}, {"0": DATA}, compression))
    with pytest.raises(ValueError, match=r"cut off|missing or compressed"):
        file.read("a")
    file.close()


def test_a_file_of_another_format(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    for content in (b"", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", b"<html>"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="cannot be read"):
            Pickled(str(path))


def test_every_truncation_is_refused(save) -> None:
    path = Path(save({"a": Tensor("0", (12,), (1,))}, {"0": DATA}))
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="cannot be read"):
            Pickled(str(path))
