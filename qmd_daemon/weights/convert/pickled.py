"""Reads pytorch_model.bin without torch, and without running what is in it.

The file is a zip archive, not compressed: `…/data.pkl`, a pickle of a dictionary from names to tensors, and
`…/data/KEY` for each storage. The unpickler below knows the four names that this takes and refuses all others,
so that nothing of the file's choice is ever called. https://pytorch.org/docs/stable/notes/serialization.html
"""

from __future__ import annotations

import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

# dtype, and the name that CTranslate2 has for it.
_STORAGES = {
    "DoubleStorage": ("<f8", "float64"),
    "FloatStorage": ("<f4", "float32"),
    "HalfStorage": ("<f2", "float16"),
    "BFloat16Storage": ("<u2", "bfloat16"),
    "LongStorage": ("<i8", "int64"),
    "IntStorage": ("<i4", "int32"),
    "ByteStorage": ("u1", "uint8"),
    "BoolStorage": ("?", "bool"),
}
_MAX_PICKLE_BYTES = 50_000_000


class _Storage(Struct, frozen=True):
    kind: str
    key: str


class _Tensor(Struct, frozen=True):
    storage: _Storage
    offset: int  # in elements
    shape: tuple[int, ...]


class Pickled:
    """The tensors of one file, by name.

    Raises ValueError, with the reason, when the file is damaged, of the format before PyTorch 1.6, or holds
    anything but tensors.
    """

    def __init__(self, path: str) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 - closed by close()
        try:
            with zipfile.ZipFile(self._file) as archive:
                self._tensors = _tensors(archive)
                self._members = {info.filename.rpartition("/data/")[2]: info for info in archive.infolist()}
        except (zipfile.BadZipFile, pickle.UnpicklingError, EOFError, LookupError, TypeError, AttributeError) as error:
            self._file.close()
            raise ValueError(f"it cannot be read: {error}") from None
        except BaseException:
            self._file.close()
            raise
        self._offsets: dict[str, int] = {}

    def close(self) -> None:
        self._file.close()

    def names(self) -> set[str]:
        return set(self._tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._tensors[name].shape

    def dtype(self, name: str) -> str:
        return _STORAGES[self._tensors[name].storage.kind][1]

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Return a copy of the tensor, or of the rows from `start` to `stop`. bfloat16 comes as float32."""
        tensor = self._tensors[name]
        dtype = np.dtype(_STORAGES[tensor.storage.kind][0])
        rows, shape = (tensor.shape[0], tensor.shape[1:]) if tensor.shape else (1, ())
        start, stop, _ = slice(start, stop).indices(rows)
        row = math.prod(shape)
        data, size_bytes = self._data(tensor.storage.key)
        begin, end = ((tensor.offset + at * row) * dtype.itemsize for at in (start, stop))
        if not 0 <= begin <= end <= size_bytes:
            raise ValueError(f"tensor {name} is cut off")
        self._file.seek(data + begin)
        flat = np.fromfile(self._file, dtype, (stop - start) * row)
        if len(flat) != (stop - start) * row:
            raise ValueError(f"tensor {name} is cut off")
        if tensor.storage.kind == "BFloat16Storage":
            flat = (flat.astype(np.uint32) << 16).view(np.float32)
        return flat.reshape((stop - start, *shape) if tensor.shape else ())

    def _data(self, key: str) -> tuple[int, int]:
        """Where a storage's bytes begin, and how many they are."""
        info = self._members.get(key)
        if info is None or info.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"its storage {key} is missing or compressed")
        if key not in self._offsets:
            self._file.seek(info.header_offset)
            header = self._file.read(30)
            if len(header) != 30 or header[:4] != b"PK\x03\x04":
                raise ValueError(f"its storage {key} is damaged")
            name, extra = struct.unpack("<HH", header[26:])
            self._offsets[key] = info.header_offset + 30 + name + extra
        return self._offsets[key], info.file_size


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return _rebuild
            case "torch._utils", "_rebuild_parameter":
                return lambda tensor, *_: tensor
            case "torch", kind if kind in _STORAGES:
                return kind
        raise ValueError(f"it holds {module}.{name}, which is no tensor")

    def persistent_load(self, pid: Any) -> _Storage:
        _, kind, key, *_ = pid
        return _Storage(kind, key)


def _rebuild(storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: object) -> _Tensor:
    expected, step = [], 1
    for size in reversed(shape):
        expected.append(step)
        step *= size
    if any(s != e for s, e, size in zip(stride, reversed(expected), shape, strict=True) if size > 1):
        raise ValueError("it holds a tensor that is not contiguous")
    return _Tensor(storage, offset, tuple(shape))


def _tensors(archive: zipfile.ZipFile) -> dict[str, _Tensor]:
    (info,) = [info for info in archive.infolist() if info.filename.endswith("/data.pkl")]
    if info.file_size > _MAX_PICKLE_BYTES:
        raise ValueError("its table of contents is too large")
    load: Callable[[], Any]
    with archive.open(info) as file:
        load = _Unpickler(file).load
        state = load()
    if not isinstance(state, dict):
        raise TypeError("it is not a dictionary")
    return {name: tensor for name, tensor in state.items() if isinstance(tensor, _Tensor)}
