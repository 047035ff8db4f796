"""The files of a checkpoint as a hub has them: tensors in one file or in several, and the JSON beside them."""

from __future__ import annotations

import os
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import msgspec
from msgspec import Struct
from numpy.typing import NDArray

from qmd_daemon.weights.convert.pickled import Pickled
from qmd_daemon.weights.convert.safetensors import Checkpoint
from qmd_daemon.weights.entry import PICKLED, SHARDS, WEIGHTS

T = TypeVar("T")


class Reader(Protocol):
    """The tensors of one file."""

    def names(self) -> set[str]: ...
    def shape(self, name: str) -> tuple[int, ...]: ...
    def dtype(self, name: str) -> str: ...
    def read(self, name: str, start: int = 0, stop: int | None = None) -> NDArray[Any]: ...
    def close(self) -> None: ...


class _Index(Struct, frozen=True):
    weight_map: dict[str, str]


class Files:
    """The tensors of all files of a directory, by name. Safetensors are preferred, in one file or sharded.

    Raises ValueError, with the reason, when there are none, or one of them is damaged.
    """

    def __init__(self, directory: str) -> None:
        self._stack = ExitStack()
        self._where: dict[str, Reader] = {}
        try:
            for name in _weights(directory):
                reader = _open(directory, name)
                self._stack.callback(reader.close)
                self._where.update(dict.fromkeys(reader.names(), reader))
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def names(self) -> set[str]:
        return set(self._where)

    def reader(self, name: str) -> Reader:
        if name not in self._where:
            raise ValueError(f"it has no tensor {name}")
        return self._where[name]


def read_json(directory: str, name: str, kind: type[T]) -> T:
    """Decode a file. Raises ValueError when it is not what it should be."""
    with open(os.path.join(directory, name), "rb") as file:
        try:
            return msgspec.json.decode(file.read(), type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ValueError(f"{name}: {error}") from None


def _weights(directory: str) -> list[str]:
    if os.path.exists(os.path.join(directory, WEIGHTS)):
        return [WEIGHTS]
    if os.path.exists(os.path.join(directory, SHARDS)):
        names = sorted(set(read_json(directory, SHARDS, _Index).weight_map.values()))
        for name in names:
            # The index is somebody else's: it names files beside it, and nothing else.
            if os.path.basename(name) != name or not name.endswith(".safetensors"):
                raise ValueError(f"{SHARDS} names the file {name!r}")
        return names
    if os.path.exists(os.path.join(directory, PICKLED)):
        return [PICKLED]
    raise ValueError(f"{WEIGHTS} is missing")


def _open(directory: str, name: str) -> Reader:
    path = os.path.join(directory, name)
    try:
        return Pickled(path) if name == PICKLED else Checkpoint(path)
    except FileNotFoundError:
        raise ValueError(f"{name} is missing") from None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
