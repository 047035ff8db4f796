"""Reads safetensors files, memory-mapped, with nothing but numpy.

The format: 8 bytes, the little-endian length of a header; the header, a JSON object from names to
{"dtype", "shape", "data_offsets": [begin, end)}; the data. https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import math
import mmap
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


class _Tensor(Struct, frozen=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class Checkpoint:
    """The tensors of one file, by name.

    Raises ValueError, with the reason, when the file is truncated or not well formed.
    """

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            if size_bytes < 8:
                raise ValueError("it is too short")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            self._start, self._tensors = self._header(size_bytes)
        except BaseException:
            self._map.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._map.close()

    def names(self) -> set[str]:
        return set(self._tensors)

    def read(self, name: str) -> NDArray[Any]:
        """Return a copy of the tensor, which may be written to. bfloat16 comes as float32, which holds it exactly.

        Raises ValueError when there is no tensor of that name.
        """
        if name not in self._tensors:
            raise ValueError(f"it has no tensor {name}")
        tensor = self._tensors[name]
        count = math.prod(tensor.shape)
        offset = self._start + tensor.data_offsets[0]
        # A view would keep the map from closing, and CTranslate2 scales arrays in place: copy.
        flat = np.frombuffer(self._map, _DTYPES[tensor.dtype], count, offset).copy()
        if tensor.dtype == "BF16":
            flat = (flat.astype(np.uint32) << 16).view(np.float32)
        return flat.reshape(tensor.shape)

    def _header(self, size_bytes: int) -> tuple[int, dict[str, _Tensor]]:
        length = int.from_bytes(self._map[:8], "little")
        if length > min(MAX_HEADER_BYTES, size_bytes - 8):
            raise ValueError("its header is cut off")
        try:
            raw = msgspec.json.decode(self._map[8 : 8 + length], type=dict[str, msgspec.Raw])
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
