"""One daemon per installation: a lock held for life, beside the data that it guards."""

from __future__ import annotations

import fcntl
import os
import time
from types import TracebackType
from typing import Self

import msgspec

from ipc.errors import QmdError
from ipc.holder import Holder, open_lock, read_holder

# A client that looks whether the lock is taken holds it for an instant: that is no other daemon.
_ATTEMPTS = 5
_ATTEMPT_S = 0.05


class AlreadyRunning(QmdError):
    """Another daemon holds the lock."""

    def __init__(self, holder: Holder | None) -> None:
        who = f"pid {holder.pid}, version {holder.version}" if holder else "it has not said who it is yet"
        super().__init__("conflict", f"Another daemon is running already ({who}).", "`qmd stop` ends it.")


class Singleton:
    """The lock. Entering takes it or raises AlreadyRunning; the kernel frees it however the process ends."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> Self:
        self._fd = open_lock(self._path)
        for attempt in range(_ATTEMPTS):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if attempt == _ATTEMPTS - 1:
                    os.close(self._fd)
                    raise AlreadyRunning(read_holder(self._path)) from None
                time.sleep(_ATTEMPT_S)
            else:
                break
        os.ftruncate(self._fd, 0)  # what the last holder wrote
        return self

    def announce(self, holder: Holder) -> None:
        """Write who we are, and where we listen, for clients whose runtime directory is another one."""
        content = msgspec.json.encode(holder) + b"\n"
        os.pwrite(self._fd, content, 0)
        os.ftruncate(self._fd, len(content))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The file stays: removing it would let two daemons lock two files of one name.
        os.ftruncate(self._fd, 0)
        os.close(self._fd)
