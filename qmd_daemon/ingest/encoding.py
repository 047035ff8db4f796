"""Which encoding a file is in.

The general detector is asked last, about the alphabets. Of Chinese it takes 11 % of whole GB18030 files for Korean or
UTF-16, and 95 % of words of two to four characters for something else (charset-normalizer 3.5, CMRC 2018), because
nearly every pair of bytes is a character in each of these encodings. What tells them apart is which characters come
out: all of them everyday ones, or many that nobody uses. That is what is counted here.
"""

from __future__ import annotations

import codecs
import re
from functools import cache
from typing import NamedTuple

# Bytes looked at; a text that changes its encoding later is none of ours.
_SAMPLE_BYTES = 64 * 1024
# Control characters that texts contain: tab, newlines, form feed, escape.
_TEXT_CONTROLS = frozenset(b"\t\n\r\x0b\x0c\x1b")
_BINARY_SHARE = 0.01
# Of the letters of a text in cp1252; in the languages of the other alphabets it is 5 % and more.
_HARDLY = 0.02
_BOMS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ALPHABETS = ("cp1252", "cp1251", "koi8_r", "cp1250", "cp1253", "cp1254")
_PUNCTUATION = frozenset("　、。，．・：；？！…—～·“”‘’（）〔〕［］｛｝〈〉《》「」『』【】")


class _Candidate(NamedTuple):
    """An encoding, and how much of what comes out must be everyday characters for it to be right."""

    name: str
    share: float


# The first that fits: Japanese shows itself by its kana, Korean by having nothing but Hangul, and what is left and
# looks like Chinese in both GB18030 and Big5 is the former.
_CANDIDATES = (
    _Candidate("utf_16_le", 0.9),
    _Candidate("utf_16_be", 0.9),
    _Candidate("cp932", 0.9),
    _Candidate("euc_jp", 0.9),
    _Candidate("euc_kr", 0.98),
    _Candidate("gb18030", 0.85),
    _Candidate("big5", 0.85),
)


# A few Chinese characters may be Hangul, or UTF-16, by chance.
_LETTERS_MIN = {"euc_kr": 8, "utf_16_le": 5, "utf_16_be": 5}


def decode(data: bytes) -> str | None:
    """The text of a file's bytes; None when they are no text."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return _strictly(data, name)
    text = _strictly(data, "utf-8") or _damaged_utf8(data)
    if text is None and (detected := detect(data[:_SAMPLE_BYTES])):
        # What is wrong beyond the sample is a damaged place, not another encoding.
        text = data.decode(detected, "replace")
    return None if text is None or _binary(text) else text


def detect(sample: bytes) -> str | None:
    """The encoding of the beginning of a text that is not UTF-8 and has no byte order mark; None if it is no text."""
    for candidate in _CANDIDATES:
        text = _beginning(sample, candidate.name)
        if text is not None and _fits(text, candidate):
            return candidate.name
    if b"\0" in sample:
        return _utf16_by_zeros(sample)
    if _hardly_accented(sample):
        return "cp1252"
    from charset_normalizer import from_bytes  # 40 ms

    best = from_bytes(sample, cp_isolation=list(_ALPHABETS)).best()
    if best is not None:
        return best.encoding
    return None if _beginning(sample, "gb18030") is None else "gb18030"


def _fits(text: str, candidate: _Candidate) -> bool:
    """Whether a text is one that people write, in the language of the encoding."""
    foreign = [character for character in text if character > "\x7f"]
    letters = [character for character in foreign if character not in _PUNCTUATION]
    if not letters or "\0" in text or _accents(text, letters):
        return False
    kana = sum("\u3041" <= character <= "\u30fe" for character in letters)
    if candidate.name in {"cp932", "euc_jp"} and kana < max(1, 0.1 * len(letters)):
        return False
    if len(letters) < _LETTERS_MIN.get(candidate.name, 1):
        return False
    everyday = _everyday(candidate.name)
    return sum(character in everyday for character in letters) >= candidate.share * len(letters)


def _accents(text: str, letters: list[str]) -> bool:
    """Whether they stand alone inside ASCII words: an accented letter was read together with its neighbour."""
    alone = len(
        re.findall(r"(?<=[A-Za-z])[^\x00-\x7f](?=[\x00-\x7f]|$)|(?<![^\x00-\x7f])[^\x00-\x7f](?=[A-Za-z])", text)
    )
    return alone > 0.5 * len(letters)


@cache
def _everyday(name: str) -> frozenset[str]:
    """The characters that texts in this encoding consist of, from the order of the national standards."""
    kana = {chr(code) for code in range(0x3041, 0x30FF)}
    wide = {chr(code) for code in range(0xFF01, 0xFF5F)}
    hangul = _block("euc_kr", 0xB0, 0xC8, 0xA1)
    simplified = _block("gb2312", 0xB0, 0xD7, 0xA1)  # level 1: 3,755 in use
    traditional = _block("big5", 0xA4, 0xC6, 0x40)  # 5,401 in use
    japanese = _block("euc_jp", 0xB0, 0xCF, 0xA1)  # level 1: 2,965 in use
    return frozenset(
        {
            "cp932": kana | wide | japanese,
            "euc_jp": kana | wide | japanese,
            "euc_kr": hangul,
            "gb18030": simplified | traditional | wide,
            "big5": traditional | wide,
        }.get(name, simplified | traditional | japanese | kana | hangul | wide)
    )


def _block(name: str, first: int, last: int, trail: int) -> set[str]:
    """All characters with a first byte in [first, last] and a second one from `trail` on."""
    pairs = (bytes((lead, second)) for lead in range(first, last + 1) for second in range(trail, 0xFF))
    return {pair.decode(name, "ignore")[:1] for pair in pairs} - {""}


def _beginning(sample: bytes, name: str) -> str | None:
    """The sample decoded; a character that it cuts off is left out."""
    try:
        return codecs.getincrementaldecoder(name)().decode(sample)
    except UnicodeDecodeError:
        return None


def _strictly(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except UnicodeDecodeError:
        return None


def _damaged_utf8(data: bytes) -> str | None:
    """The text of a file that is UTF-8 but for a few places."""
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = sum(character > "\x7f" for character in text) - bad
    return text if good >= 10 * bad else None


def _hardly_accented(sample: bytes) -> bool:
    """Whether it is English with a `naïve` in it: too little for the detector, which says `naďve` (cp1250)."""
    text = _beginning(sample, "cp1252")
    return text is not None and sum(one > "\x7f" and one.isalpha() for one in text) <= _HARDLY * len(text)


def _utf16_by_zeros(sample: bytes) -> str | None:
    """UTF-16 of Latin letters has a zero in nearly every second place."""
    for name, zeros in (("utf_16_le", sample[1::2].count(0)), ("utf_16_be", sample[::2].count(0))):
        if zeros > 0.4 * len(sample) / 2 and _beginning(sample, name) is not None:
            return name
    return None


def _binary(text: str) -> bool:
    """Whether it has characters that nobody types."""
    sample = text[:_SAMPLE_BYTES]
    controls = sum(character < " " and ord(character) not in _TEXT_CONTROLS for character in sample)
    return "\0" in text or controls > _BINARY_SHARE * len(sample)
