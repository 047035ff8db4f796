"""The names that older versions of tobi/qmd made of paths, so that addresses which were noted down then still lead on.

They rewrote every path: `file (1).md` to `file-1.md`, `foo___bar.md` to `foo/bar.md`, `🐘 elephant.md` to
`1f418-elephant.md`. Standard library only.
"""

from __future__ import annotations

import re
import unicodedata

_EXTENSION = re.compile(r"\.[A-Za-z0-9]+$")


def handle(path: str) -> str:
    """The path as it was rewritten; "" when nothing would be left of its name."""
    *folders, name = path.replace("___", "/").split("/")
    extension = match[0] if (match := _EXTENSION.search(name)) else ""
    stem = _words(name.removesuffix(extension))
    if not stem:
        return ""
    return "/".join([*filter(None, map(_words, folders)), stem + extension])


def _words(text: str) -> str:
    """Letters, digits and `$`, with one hyphen for whatever lies between; symbols by their number."""
    return "-".join("".join(map(_kept, text)).split())


def _kept(character: str) -> str:
    if character.isalnum() or character == "$":
        return character
    if unicodedata.category(character) in {"So", "Sk"}:
        return f"{ord(character):x}"
    # A vowel sign belongs to the letter before it.
    return character if unicodedata.category(character).startswith("M") else " "
