"""Variables of a model that are read from the checkpoint only when they are written, a few rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from ctranslate2.specs import model_spec
from numpy.typing import NDArray

from qmd_daemon.weights.convert.files import Files, Reader

# Of one piece, as float32.
CHUNK_BYTES = 8 << 20


class Lazy(model_spec.Variable):  # type: ignore[misc]
    """Rows of one tensor, or of several below each other. Implements what a specification asks of a variable."""

    def __init__(self, parts: Sequence[tuple[Reader, str]], start: int = 0) -> None:
        """`start`: rows of the (only) tensor that are left out at its beginning."""
        self._parts = parts
        self._start = start
        shapes = [reader.shape(name) for reader, name in parts]
        dtypes = {reader.dtype(name) for reader, name in parts}
        if len(dtypes) != 1 or len({shape[1:] for shape in shapes}) != 1:
            raise ValueError(f"its tensors {', '.join(name for _, name in parts)} do not fit together")
        self._dtype = dtypes.pop()
        if self._dtype not in {"float32", "float16", "bfloat16"}:
            raise ValueError(f"tensor {parts[0][1]} is of the type {self._dtype}")
        self._shape = [sum(shape[0] for shape in shapes) - start, *shapes[0][1:]]

    @property
    def shape(self) -> list[int]:
        return self._shape

    @property
    def dtype(self) -> str:
        return self._dtype

    @property
    def identity(self) -> object:
        """The same for two variables of the same tensors."""
        return tuple(name for _, name in self._parts), self._start

    def chunks(self) -> Iterator[NDArray[Any]]:
        """The rows in order, in pieces that may be written to. bfloat16 comes as float32."""
        row_bytes = 4 * int(np.prod(self._shape[1:]))
        step = max(1, CHUNK_BYTES // max(1, row_bytes))
        for reader, name in self._parts:
            rows = reader.shape(name)[0]
            for at in range(self._start, rows, step):
                yield reader.read(name, at, min(at + step, rows))

    def numpy(self) -> NDArray[Any]:
        return np.concatenate(list(self.chunks()))

    def num_bytes(self) -> int:
        return int(np.prod(self._shape)) * (4 if self._dtype == "float32" else 2)

    # What CTranslate2's own writer would call, which holds all in memory: ours does without.

    def to_bytes(self) -> bytes:
        raise NotImplementedError

    def _to(self, dtype: str) -> Lazy:
        raise NotImplementedError

    def _equal(self, other: object) -> bool:
        raise NotImplementedError


class Tensors:
    """A checkpoint's tensors by the names that a family has for them; remembers which were not asked for."""

    def __init__(self, files: Files, canonical: Callable[[str], str]) -> None:
        """`canonical` maps a name of any dialect to the family's."""
        self._files = files
        self._names: dict[str, str] = {}
        for name in sorted(files.names()):
            if self._names.setdefault(canonical(name), name) != name:
                raise ValueError(f"it has the tensor {canonical(name)} twice")
        self._left = set(self._names)

    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """The tensor, or some rows of it, as it is (bfloat16 as float32)."""
        reader, original = self._find(name)
        return reader.read(original, start, stop)

    def rows(self, name: str) -> int:
        reader, original = self._find(name)
        return reader.shape(original)[0]

    def matrix(self, *names: str, start: int = 0) -> Lazy:
        """One matrix, or several as one, the rows of each below those of the one before."""
        return Lazy([self._find(name) for name in names], start)

    def linear(self, spec: Any, *names: str, bias: bool = True) -> None:
        """Several layers with the same input are one."""
        spec.weight = self.matrix(*(f"{name}.weight" for name in names))
        if bias:
            spec.bias = self.matrix(*(f"{name}.bias" for name in names))

    def norm(self, spec: Any, name: str, *, bias: bool = True) -> None:
        spec.gamma = self.matrix(f"{name}.weight")
        if bias:
            spec.beta = self.matrix(f"{name}.bias")

    def drop(self, name: str) -> None:
        """Leave a tensor out, on purpose."""
        self._left.discard(name)

    def left(self) -> list[str]:
        """What nobody asked for."""
        return sorted(self._left)

    def _find(self, name: str) -> tuple[Reader, str]:
        self._left.discard(name)
        original = self._names.get(name, name)
        return self._files.reader(original), original
