"""Writes a model as CTranslate2 reads it, quantized on the way, without ever holding a whole large matrix.

Byte for byte what CTranslate2's own `spec.optimize(quantization)` and `spec.save()` write, which hold the
whole model in memory and need torch for bfloat16. https://opennmt.net/CTranslate2/conversion.html
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
from ctranslate2.specs import model_spec
from numpy.typing import NDArray

from qmd_daemon.weights.convert.tensors import Lazy

_VERSION = 6  # of the format
_TYPES = ("float32", "int8", "int16", "int32", "float16", "bfloat16")
_INT8 = ("int8", "int8_float32", "int8_float16", "int8_bfloat16")
QUANTIZATIONS = (*_INT8, "float16", "bfloat16", "float32")
# What is not quantized, by the quantization; in int8 it stays as it is.
_FLOATS = {"int8_float32": "float32", "int8_float16": "float16", "int8_bfloat16": "bfloat16"}
_Write = Callable[[BinaryIO], None]


def write(spec: Any, tokens: Sequence[str], target: str, quantization: str) -> None:
    """Write model.bin, config.json and vocabulary.json into the existing directory `target`.

    `spec` is a specification of CTranslate2, its large matrices Lazy. `tokens` are the vocabulary, in the
    order of their ids. Raises ValueError when something is missing in it.
    """
    if quantization not in QUANTIZATIONS:
        raise ValueError(f"{quantization} is not one of {', '.join(QUANTIZATIONS)}")
    spec.register_vocabulary(list(tokens))
    spec.validate()
    with open(os.path.join(target, "model.bin"), "wb") as file:
        _write_model(file, spec, quantization)
    spec.config.save_as_json(os.path.join(target, "config.json"))
    with open(os.path.join(target, "vocabulary.json"), "w", encoding="utf-8") as file_:
        json.dump(list(tokens), file_, indent=2)


def _write_model(file: BinaryIO, spec: Any, quantization: str) -> None:
    variables: list[tuple[str, _Write]] = []
    aliases: list[tuple[str, str]] = []
    first: dict[object, str] = {}
    quantizable = _quantizable(spec)
    for name, value in spec.variables(ordered=True):
        key = _identity(name, value)
        if first.setdefault(key, name) != name:
            aliases.append((name, first[key]))
        elif quantization in _INT8 and name in quantizable:
            quantized = _Quantized(value)
            variables += [(name, quantized.write_weight), (f"{name}_scale", quantized.write_scale)]
        else:
            stored = _FLOATS.get(quantization, value.dtype if quantization in _INT8 else quantization)
            variables.append((name, _plain(value, stored)))
    file.write(struct.pack("I", _VERSION))
    _write_string(file, spec.name)
    file.write(struct.pack("II", spec.revision, len(variables)))
    for name, write_value in variables:
        _write_string(file, name)
        write_value(file)
    file.write(struct.pack("I", len(aliases)))
    for alias, name in aliases:
        _write_string(file, alias)
        _write_string(file, name)


def _quantizable(spec: Any) -> set[str]:
    """The names of the variables that have a scale beside them."""
    names: set[str] = set()

    def visit(layer: Any, name: str, value: Any) -> None:
        if isinstance(value, model_spec.Variable) and not value.is_scalar():
            attribute = name.rpartition("/")[2]
            if hasattr(layer, f"{attribute}_scale"):
                names.add(name)

    model_spec.visit_spec(spec, visit)
    return names


def _identity(name: str, value: Any) -> object:
    """Equal for variables that are stored once: those of the same tensor, and small ones of equal content."""
    if value.is_scalar():
        return name
    if len(value.shape) > 1 and isinstance(value, Lazy):
        return value.identity
    content = value.numpy()
    return value.dtype, content.shape, hashlib.sha256(content.tobytes()).digest()


class _Quantized:
    """A matrix in int8, with a scale for each row. The scales are known once the matrix is written."""

    def __init__(self, value: Any) -> None:
        self._value = value
        self._scales: list[NDArray[np.float32]] = []

    def write_weight(self, file: BinaryIO) -> None:
        shape = list(self._value.shape)
        _write_head(file, shape, "int8", int(np.prod(shape)))
        for chunk in _chunks(self._value):
            rows = chunk.astype(np.float32, copy=False)
            largest = np.amax(np.absolute(rows), axis=1)
            largest[largest == 0] = 127.0
            # So that the scale of a row of tiny numbers is still a float32.
            largest = np.maximum(largest, np.float32(127) / np.finfo(np.float32).max)
            scale = 127.0 / largest
            rows *= scale[:, None]
            file.write(np.rint(rows, out=rows).astype(np.int8).tobytes())
            self._scales.append(scale)

    def write_scale(self, file: BinaryIO) -> None:
        scale = np.concatenate(self._scales)
        _write_head(file, list(scale.shape), "float32", scale.nbytes)
        file.write(scale.tobytes())


def _plain(value: Any, dtype: str) -> _Write:
    if value.is_scalar() or value.dtype not in {"float32", "float16", "bfloat16"}:
        dtype = value.dtype  # a setting, not a weight
    size_bytes = {"float32": 4, "int32": 4, "int8": 1}.get(dtype, 2)

    def write_value(file: BinaryIO) -> None:
        _write_head(file, list(value.shape), dtype, int(np.prod(value.shape)) * size_bytes)
        for chunk in _chunks(value):
            stored = _bfloat16(chunk) if dtype == "bfloat16" else chunk.astype(dtype, copy=False)
            file.write(stored.tobytes())

    return write_value


def _chunks(value: Any) -> Iterator[NDArray[Any]]:
    if isinstance(value, Lazy):
        yield from value.chunks()
    else:
        yield value.numpy().copy()


def _bfloat16(values: NDArray[Any]) -> NDArray[np.uint16]:
    """Round to the nearest, ties to even."""
    bits = values.astype(np.float32, copy=False).view(np.uint32)
    rounded = (bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16
    return rounded.astype(np.uint16)


def _write_head(file: BinaryIO, shape: Sequence[int], dtype: str, size_bytes: int) -> None:
    if size_bytes >= 1 << 32:
        raise ValueError("it has a matrix of more than 4 GB, which the format cannot hold")
    file.write(struct.pack("B", len(shape)))
    file.write(struct.pack(f"{len(shape)}I", *shape))
    file.write(struct.pack("B", _TYPES.index(dtype)))
    file.write(struct.pack("I", size_bytes))


def _write_string(file: BinaryIO, text: str) -> None:
    encoded = text.encode()
    file.write(struct.pack("H", len(encoded) + 1) + encoded + b"\0")
