"""How a derived index lies on disk. Standard library only: `qmd search` reads it.

    <directory>/CURRENT             the name of the generation in use, replaced by rename
    <directory>/g000001/seen.json   what it was derived from, the sums of its files, and its own
    <directory>/g000001/…           the files themselves

A generation whose `seen.json` has no sums is being changed. If its writer dies then, nobody can tell whether it is
sound, and another is built.
"""

from __future__ import annotations

import os
import zlib
from typing import NamedTuple

_CURRENT = "CURRENT"
_SEEN = "seen.json"
_BLOCK_BYTES = 1 << 20

# name -> (size in bytes, crc32)
Sums = dict[str, tuple[int, int]]


class Seen(NamedTuple):
    """What a generation was derived from: a version of its format, a database, and all changes up to `seq`."""

    version: str
    identity: str
    seq: int
    files: Sums | None


def current(directory: str) -> str | None:
    """The path of the generation to open; None when there is none."""
    try:
        with open(os.path.join(directory, _CURRENT), encoding="utf-8") as file:
            name = file.read().strip()
    except (OSError, UnicodeDecodeError):
        return None
    path = os.path.join(directory, name)
    return path if name.startswith("g") and name[1:].isdigit() and os.path.isdir(path) else None


def switch(directory: str, path: str) -> None:
    """Make the generation at `path` the current one, at once and for good."""
    _replace(directory, _CURRENT, os.path.basename(path) + "\n")


def begin(directory: str) -> str:
    """Make the directory of a new generation."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    numbers = [int(name[1:]) for name in os.listdir(directory) if name.startswith("g") and name[1:].isdigit()]
    path = os.path.join(directory, f"g{max(numbers, default=0) + 1:06}")
    os.mkdir(path, 0o700)
    return path


def sweep(directory: str) -> None:
    """Remove what a writer that was killed left behind: all but the current generation."""
    import shutil

    keep = current(directory)
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if path == keep or name == _CURRENT:
            continue
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)


def keep_only(path: str, names: list[str]) -> None:
    """Remove from a generation the files that it no longer consists of."""
    for name in set(os.listdir(path)) - {*names, _SEEN}:
        os.unlink(os.path.join(path, name))


def read_seen(path: str) -> Seen | None:
    """What the generation at `path` says of itself; None when it says nothing that can be read."""
    import json

    try:
        with open(os.path.join(path, _SEEN), encoding="utf-8") as file:
            found = json.load(file)
        if found.pop("sum") != zlib.crc32(json.dumps(found).encode()):
            return None
        files = found["files"]
        sums = None if files is None else {str(name): (int(size), int(crc)) for name, (size, crc) in files.items()}
        return Seen(str(found["version"]), str(found["identity"]), int(found["seq"]), sums)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_seen(path: str, seen: Seen) -> None:
    """Replace what the generation says of itself, at once and for good."""
    import json

    said = seen._asdict()
    _replace(path, _SEEN, json.dumps({**said, "sum": zlib.crc32(json.dumps(said).encode())}))


def damaged(path: str, files: Sums) -> str:
    """The name of a file that is not as it was; empty when all are."""
    for name, expected in files.items():
        try:
            if os.path.getsize(os.path.join(path, name)) != expected[0] or _crc32(path, name) != expected[1]:
                return name
        except OSError:
            return name
    return ""


class Summer:
    """Sums files, each once: one whose size and time have not changed is not read again."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, int, int, int], int] = {}

    def sums(self, path: str, names: list[str]) -> Sums:
        """Size and crc32 of these files in the directory `path`."""
        found: Sums = {}
        known: dict[tuple[str, str, int, int, int], int] = {}
        for name in names:
            stat = os.stat(os.path.join(path, name))
            key = (path, name, stat.st_ino, stat.st_size, stat.st_mtime_ns)
            known[key] = self._known[key] if key in self._known else _crc32(path, name)
            found[name] = (stat.st_size, known[key])
        self._known = known
        return found


def _crc32(path: str, name: str) -> int:
    crc = 0
    with open(os.path.join(path, name), "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            crc = zlib.crc32(block, crc)
    return crc


def _replace(directory: str, name: str, text: str) -> None:
    """Write a file so that a reader, or a crash, finds the old one or the new one, whole."""
    path = os.path.join(directory, name)
    temporary = f"{path}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_directory(directory)


def sync_file(path: str) -> None:
    """Make a new file durable, and its owner's alone."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fchmod(descriptor, 0o600)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(os.path.dirname(path))


def sync_directory(directory: str) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
