"""Reads safetensors files with nothing but numpy, a piece of a tensor at a time.

The format: 8 bytes, the little-endian length of a header; the header, a JSON object from names to
{"dtype", "shape", "data_offsets": [begin, end)}; the data. https://huggingface.co/docs/safetensors

Files are read, not mapped: of a mapped file, every page that was touched counts as our memory.
"""

from __future__ import annotations

import math
import os
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

# The reference implementation refuses larger headers.
MAX_HEADER_BYTES = 100_000_000
_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),  # numpy has no bfloat16: read as its bits
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
# What CTranslate2 calls them.
_NAMES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


class _Tensor(Struct, frozen=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class Checkpoint:
    """The tensors of one file, by name.

    Raises ValueError, with the reason, when the file is truncated or not well formed.
    """

    def __init__(self, path: str) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 - closed by close()
        try:
            self._start, self._tensors = self._header(os.fstat(self._file.fileno()).st_size)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def names(self) -> set[str]:
        return set(self._tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._find(name).shape)

    def dtype(self, name: str) -> str:
        """Its type in numpy's words, or bfloat16."""
        dtype = self._find(name).dtype
        return _NAMES.get(dtype, dtype)

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Return a copy of the tensor, or of the rows from `start` to `stop`, which may be written to.

        bfloat16 comes as float32, which holds it exactly. Raises ValueError when there is no tensor of that name.
        """
        tensor = self._find(name)
        dtype = _DTYPES[tensor.dtype]
        rows, shape = (tensor.shape[0], tensor.shape[1:]) if tensor.shape else (1, [])
        start, stop, _ = slice(start, stop).indices(rows)
        row = math.prod(shape)
        self._file.seek(self._start + tensor.data_offsets[0] + start * row * dtype.itemsize)
        flat = np.fromfile(self._file, dtype, (stop - start) * row)
        if len(flat) != (stop - start) * row:
            raise ValueError(f"tensor {name} is cut off")
        if tensor.dtype == "BF16":
            flat = (flat.astype(np.uint32) << 16).view(np.float32)
        return flat.reshape([stop - start, *shape] if tensor.shape else [])

    def _find(self, name: str) -> _Tensor:
        if name not in self._tensors:
            raise ValueError(f"it has no tensor {name}")
        return self._tensors[name]

    def _header(self, size_bytes: int) -> tuple[int, dict[str, _Tensor]]:
        if size_bytes < 8:
            raise ValueError("it is too short")
        length = int.from_bytes(self._file.read(8), "little")
        if length > min(MAX_HEADER_BYTES, size_bytes - 8):
            raise ValueError("its header is cut off")
        try:
            raw = msgspec.json.decode(self._file.read(length), type=dict[str, msgspec.Raw])
            raw.pop("__metadata__", None)
            tensors = {name: msgspec.json.decode(value, type=_Tensor) for name, value in raw.items()}
        except msgspec.MsgspecError as error:
            raise ValueError(f"its header cannot be read: {error}") from None
        start = 8 + length
        for name, tensor in tensors.items():
            _check(name, tensor, size_bytes - start)
        return start, tensors


def _check(name: str, tensor: _Tensor, data_bytes: int) -> None:
    if tensor.dtype not in _DTYPES:
        raise ValueError(f"tensor {name} is of the unknown type {tensor.dtype}")
    begin, end = tensor.data_offsets
    wanted = math.prod(tensor.shape) * _DTYPES[tensor.dtype].itemsize
    if min(tensor.shape, default=0) < 0 or not 0 <= begin <= end or end - begin != wanted:
        raise ValueError(f"tensor {name} does not fit its shape")
    if end > data_bytes:
        raise ValueError(f"tensor {name} is cut off")
