"""Where weights can come from, and the one that is no hub: a directory that somebody has filled."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from ipc.errors import QmdError
from qmd_daemon.weights.selection import RemoteFile

Moved = Callable[[str, int], None]
_BLOCK_BYTES = 4 * 1024 * 1024
_INCOMPLETE = ".incomplete"


class Absent(Exception):
    """There is no such repository here, or none that we may read: another name of it may do."""


class Supply(Protocol):
    """Repositories by name. `address` is for a person to read."""

    address: str

    def files(self, repository: str, revision: str) -> list[RemoteFile]:
        """What the repository has. Raises Absent or QmdError."""
        ...

    def download(
        self, repository: str, revision: str, files: Sequence[RemoteFile], directory: str, moved: Moved
    ) -> None:
        """Put the files into the directory, and tell `moved` of each part. Raises QmdError."""
        ...


class Shelf:
    """A directory with repositories in it, as `OWNER/NAME` or as `NAME`, for a machine without a network."""

    def __init__(self, directory: str) -> None:
        self.address = directory

    def files(self, repository: str, revision: str) -> list[RemoteFile]:
        with os.scandir(self._root(repository)) as found:
            return [RemoteFile(name=e.name, size_bytes=e.stat().st_size) for e in found if e.is_file()]

    def download(
        self, repository: str, revision: str, files: Sequence[RemoteFile], directory: str, moved: Moved
    ) -> None:
        root = self._root(repository)
        for file in files:
            target = os.path.join(directory, file.name)
            if os.path.exists(target):
                continue  # checked with the rest, afterwards
            try:
                _copy(os.path.join(root, file.name), target, partial(moved, file.name))
            except OSError as error:
                if is_full(error):
                    raise no_room(file.name) from error
                message = f"Cannot copy {file.name} from {root}: {error.strerror}."
                raise QmdError("unavailable", message, "Check the directory, then run it again.") from error

    def _root(self, repository: str) -> str:
        for name in (repository, repository.rpartition("/")[2]):
            directory = os.path.join(self.address, name)
            if os.path.isdir(directory):
                return directory
        raise Absent(repository)


def is_full(error: BaseException) -> bool:
    """Whether it is the disk, or our share of it, that has no room."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def no_room(name: str) -> QmdError:
    """The disk, or what we may use of it, is full."""
    hint = "Make room, then run it again: what was fetched is kept."
    return QmdError("unavailable", f"There is no room left on the disk for {name}.", hint)


def _copy(source: str, target: str, moved: Callable[[int], None]) -> None:
    incomplete = f"{target}{_INCOMPLETE}"
    with open(source, "rb") as reading, open(incomplete, "wb") as writing:
        while block := reading.read(_BLOCK_BYTES):
            writing.write(block)
            moved(len(block))
    os.replace(incomplete, target)
