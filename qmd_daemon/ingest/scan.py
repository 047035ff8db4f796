"""Which files a collection has: a walk that never leaves it, and never fails."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pathspec import GitIgnoreSpec
from wcmatch import glob

from ipc.errors import QmdError

# What is written to be read. Data (JSON, CSV, SVG, lock files) is left out: a person asks for it by mask.
DEFAULT_MASK = (
    "**/*.{md,markdown,mdx,qmd,rmd,txt,text,rst,org,adoc,asciidoc,tex,typ,wiki,"
    "py,pyi,js,mjs,cjs,jsx,ts,tsx,vue,svelte,go,rs,c,h,cc,cpp,cxx,hh,hpp,java,kt,kts,scala,swift,m,mm,cs,fs,"
    "rb,php,pl,lua,r,jl,hs,ml,ex,exs,erl,clj,el,dart,zig,nim,sh,bash,zsh,fish,ps1,sql,proto,graphql,"
    "toml,yaml,yml,ini,cfg,conf,nix,tf}"
)
# Directories that hold what others wrote or a program made; hidden ones are left out anyway.
VENDORED = frozenset({"node_modules", "vendor", "dist", "build", "__pycache__", "target"})
_GLOB = glob.GLOBSTAR | glob.BRACE | glob.IGNORECASE


class Entry(NamedTuple):
    """A file. `path` is relative to the collection."""

    path: str
    size: int
    mtime_ns: int
    inode: int


class Unseen(NamedTuple):
    """What could not be looked at, and why, in words. What lies below such a directory is not known to be gone."""

    path: str
    reason: str
    directory: bool


def walk(root: str, mask: str, ignore: Sequence[str]) -> Iterator[Entry | Unseen]:
    """The files below `root` that match `mask` and no pattern of `ignore`, in the order of their names.

    Left out without a word: what is hidden, vendored, ignored, a link, or no file. `mask` is as in `split_mask`,
    `ignore` as in .gitignore. Raises QmdError("invalid") for patterns that mean nothing.
    """
    wanted, ignored = matcher(mask), ignorer(ignore)
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield Unseen(folder or ".", f"unreadable: {error.strerror}", directory=True)
            continue
        folders = []
        for entry in found:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(".") and entry.name not in VENDORED and not ignored(_escaped(path) + "/"):
                    folders.append(path)
            elif not entry.name.startswith(".") and wanted(_escaped(path)) and not ignored(_escaped(path)):
                seen = _look(entry, path)
                if seen is not None:
                    yield seen
        pending += reversed(folders)


def matcher(mask: str) -> Callable[[str], bool]:
    """Whether a path relative to the collection matches the mask; upper and lower case are alike.

    Raises QmdError("invalid") for a mask that names nothing, or stands for more than a thousand.
    """
    parts = split_mask(mask)
    try:
        compiled = glob.compile(parts, flags=_GLOB)
    except Exception as error:  # noqa: BLE001 - wcmatch has no public name for what it raises at its limit
        raise QmdError("invalid", f"{mask!r} is not a mask: {error}.", "A mask looks like `**/*.{md,txt}`.") from None
    if not parts:
        raise QmdError("invalid", f"{mask!r} is not a mask.", "A mask looks like `**/*.{md,txt}`.")
    return lambda path: bool(compiled.match(path))


def ignorer(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a path, with a `/` behind it if it is a directory, is to be ignored. Raises QmdError("invalid")."""
    lines = []
    for pattern in patterns:
        try:
            lines.append(GitIgnoreSpec.from_lines([pattern]).patterns)
        except (ValueError, re.error) as error:
            raise QmdError(
                "invalid", f"`ignore` has the pattern {pattern!r}: {error}.", "Write it as in .gitignore."
            ) from None
    return GitIgnoreSpec([one for some in lines for one in some]).match_file


def split_mask(mask: str) -> list[str]:
    """`a.md, b/**/*.{md,txt}` -> [`a.md`, `b/**/*.{md,txt}`]: at commas that stand in no braces and no brackets."""
    parts, depth, start = [], 0, 0
    for place, character in enumerate(mask):
        if character in "{[":
            depth += 1
        elif character in "}]":
            depth = max(0, depth - 1)
        elif character == "," and depth == 0:
            parts.append(mask[start:place])
            start = place + 1
    parts.append(mask[start:])
    return [part.strip() for part in parts if part.strip()]


def _look(entry: os.DirEntry[str], path: str) -> Entry | Unseen | None:
    try:
        if not entry.is_file(follow_symlinks=False):
            return None
        found = entry.stat(follow_symlinks=False)
    except OSError as error:
        return Unseen(_escaped(path), f"unreadable: {error.strerror}", directory=False)
    if _escaped(path) != path:
        return Unseen(_escaped(path), "its name is not UTF-8", directory=False)
    return Entry(path, found.st_size, found.st_mtime_ns, found.st_ino)


def _escaped(path: str) -> str:
    """The path with bytes that are not UTF-8 written as `\\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
