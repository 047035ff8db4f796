"""Who holds the daemon's lock: a file that is locked for the daemon's life, with one JSON object inside."""

from __future__ import annotations

import fcntl
import os

import msgspec
from msgspec import Struct

from ipc.errors import QmdError

# The exit code of a daemon that finds the lock taken. A service manager must not restart on it.
EXIT_ALREADY_RUNNING = 11


class Holder(Struct, frozen=True, kw_only=True):
    """Who the daemon is, and where it listens: for clients whose runtime directory is another one."""

    pid: int
    version: str
    protocol: int
    rpc: str
    events: str
    http: str = ""
    tcp: str = ""


def open_lock(path: str) -> int:
    """A descriptor of a lock file, made if it is not there.

    Raises QmdError("unavailable") when it is somebody else's, as after a `sudo qmd`.
    """
    try:
        # Close-on-exec: no child must inherit the lock and outlive us with it.
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise QmdError("unavailable", f"Cannot open the lock {path}: {error.strerror}.", "Remove it.") from None


def read_holder(lock: str) -> Holder | None:
    """Who wrote the lock file last. It may have died since: only an answered ping means alive."""
    try:
        with open(lock, "rb") as file:
            return msgspec.json.decode(file.read(), type=Holder)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def is_locked(lock: str) -> bool:
    """Whether a living process holds the lock."""
    try:
        with open(lock, "rb") as file:
            # Shared, so that two who look do not see each other; the daemon tries more than once to take it.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # not there, or not ours to open
        return False
    return False
