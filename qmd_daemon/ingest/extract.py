"""From a file to its text: what it says, or why it is left out."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import NamedTuple

from qmd_daemon.ingest import encoding, front_matter, titles


class LeftOut(Exception):
    """The file is not indexed; the message says why, in words."""


class Extract(NamedTuple):
    """A file's text, its newlines all `\\n`, and what `stat` said when it was read."""

    text: str
    title: str
    hash: str
    size: int
    mtime_ns: int
    inode: int
    metadata: tuple[tuple[str, str], ...] = ()


def read(root: str, path: str, max_bytes: int) -> Extract:
    """Read the file `path` below `root`.

    Raises LeftOut when it is empty, larger than `max_bytes`, binary, unreadable, or no file any more.
    """
    try:
        data, found = _bytes(os.path.join(root, path), max_bytes)
    except OSError as error:
        raise LeftOut(f"unreadable: {error.strerror}") from None
    decoded = encoding.decode(data)
    if decoded is None:
        raise LeftOut("binary")
    text = decoded.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise LeftOut("empty")
    title = titles.inside(text, path) or os.path.splitext(os.path.basename(path))[0]
    digest = hashlib.sha256(text.encode()).hexdigest()
    metadata = front_matter.metadata(text) if titles.is_markdown(path) else ()
    return Extract(text, title, digest, found.st_size, found.st_mtime_ns, found.st_ino, metadata)


def _bytes(path: str, max_bytes: int) -> tuple[bytes, os.stat_result]:
    # A link is not followed; a pipe that took the file's place would block.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise LeftOut("not a file")
        if found.st_size <= max_bytes:
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(max_bytes + 1)  # it may grow while we read
            if len(data) <= max_bytes:
                return data, found
        raise LeftOut(f"larger than {max_bytes / (1024 * 1024):g} MB")
    finally:
        os.close(descriptor)
