"""Directories and files: whose they are, who may read them, and how much room is left; and the clock."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator

from ipc.finding import Finding, fail, ok, warn
from ipc.paths import Paths

# An update needs room for the new generation of an index beside the old one.
ROOM_LOW_BYTES = 1_000_000_000
ROOM_NONE_BYTES = 100_000_000
# Files of now may be dated a little ahead: by other machines on a network's disk.
AHEAD_S = 300.0
# Before the first release: a clock that was never set. Certificates of a hub are not valid then.
RELEASED = 1_767_225_600.0  # 2026-01-01

_OTHERS = 0o077


def directories(paths: Paths) -> Iterator[Finding]:
    """One line for each directory of the installation, and for the files in them that nobody else may read."""
    for name in ("config", "data", "state", "cache", "runtime"):
        yield _directory(f"{name} directory", getattr(paths, name))
    for path in (paths.grants_file, paths.server_key_file, paths.client_key_file, os.path.join(paths.data, "seal.key")):
        if (found := _secret(path)) is not None:
            yield found


def room(path: str) -> Finding:
    """What is left on the disk on which `path` is, or will be."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    free = shutil.disk_usage(path).free
    left = f"{free / 1e9:.1f} GB are free at {path}."
    if free < ROOM_NONE_BYTES:
        return fail("disk", left, "Make room: an index cannot be written any more. `qmd cleanup` gives some back.")
    if free < ROOM_LOW_BYTES:
        return warn("disk", left, "Make room: `qmd cleanup`, `qmd models list`, `qmd models remove MODEL`.")
    return ok("disk", left)


def clock(paths: Paths, index: str, now: float | None = None) -> Finding:
    """Whether it can be right. `now`: seconds since the epoch."""
    now = time.time() if now is None else now
    hint = "Set the clock: `timedatectl set-ntp true`."
    if now < RELEASED:
        return fail("clock", f"It is said to be {_day(now)}, before this program was made.", hint)
    try:
        written = os.stat(paths.database(index)).st_mtime
    except OSError:
        written = 0.0
    if written > now + AHEAD_S:
        return warn("clock", f"The index was written later than now, on {_day(written)}.", hint)
    return ok("clock", f"{_day(now)}.")


def _directory(check: str, path: str) -> Finding:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return ok(check, f"{path} is not there yet.")
    except OSError as error:
        return fail(check, f"{path} cannot be looked at: {error.strerror}.", "Set QMD_HOME to a directory of yours.")
    return _permissions(check, path, found)


def _permissions(check: str, path: str, found: os.stat_result) -> Finding:
    if not stat.S_ISDIR(found.st_mode):
        return fail(check, f"{path} is not a directory.", "Move it away, or set QMD_HOME.")
    if found.st_uid != os.getuid():
        return fail(
            check, f"{path} belongs to user {found.st_uid}, not to you.", f"`sudo chown -R {os.getuid()} {path}`"
        )
    if found.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        return fail(check, f"{path} may not be written by you (mode {_mode(found)}).", f"`chmod 700 {path}`")
    if found.st_mode & _OTHERS:
        return warn(check, f"Others may look into {path} (mode {_mode(found)}).", f"`chmod 700 {path}`")
    return ok(check, path)


def _secret(path: str) -> Finding | None:
    try:
        found = os.stat(path)
    except OSError:
        return None  # not made yet, or below a directory that has its own line
    if found.st_mode & _OTHERS:
        return fail("secrets", f"Others may read {path} (mode {_mode(found)}).", f"`chmod 600 {path}`")
    return ok("secrets", f"{path} is yours alone.")


def _mode(found: os.stat_result) -> str:
    return f"{stat.S_IMODE(found.st_mode):04o}"


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
