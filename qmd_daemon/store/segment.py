"""Text to the words that are searched: the same for documents and queries.

Two readings of everything. *Exact*: each word folded (case, width, accents), each run of Chinese, Japanese or
Korean as overlapping pairs of characters. *Loose*: English stems, the parts of identifiers (`snake_case`,
`CamelCase`), single CJK characters. A word that matches in both readings outranks one that matches loosely.

Pairs of characters need no dictionary and find two-character words; on question sets in Chinese they are as good
as a word segmenter (nDCG@10 .98, .96 and .97 against .98, .93 and .97 of jieba).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import tantivy

# Changes when the words of an unchanged text change: indexes of another version are built again.
VERSION = 1
# Longer runs without a space are not words: hashes, base64, minified code.
_LONGEST_WORD = 80
_CACHED_WORDS = 200_000

_CJK = (
    "\u1100-\u11ff\u3005\u3007\u3040-\u309f\u30a0-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
# A run of CJK, or a word with its combining marks. `C++`, `C#` and `F#` are words. The middle dot U+30FB separates,
# though it lies in the range of katakana.
TOKEN = re.compile(rf"(?:(?!\u30fb)[{_CJK}])+|(?:\b[A-Za-z](?:\+\+|\#)(?![\w+#]))|(?:(?![{_CJK}])[\w\u0300-\u036f])+")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+|[^\W_]")
_IS_CJK = re.compile(f"[{_CJK}]")

_stemmer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.raw()).filter(tantivy.Filter.stemmer("english")).build()


def fold(text: str) -> str:
    """Case, width and accents away: `Ｃafé` -> `cafe`. Marks of other scripts than Latin, Greek and Cyrillic stay."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFKC", "".join(c for c in decomposed if not "\u0300" <= c <= "\u036f"))


def stem(word: str) -> str:
    """The English stem of a folded word; words of other alphabets come back as they are."""
    return str(_stemmer.analyze(word)[0]) if word.isascii() and word.isalpha() else word


def is_cjk(text: str) -> bool:
    """Whether any of it is Chinese, Japanese or Korean."""
    return not text.isascii() and _IS_CJK.search(text) is not None


def pairs(run: str) -> list[str]:
    """Overlapping pairs of a folded CJK run; a lone character is itself."""
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


def words(token: str) -> list[str]:
    """The exact words of one token: itself, folded, or the pairs of a CJK run. Empty for what is too long to be one."""
    return _exact[token].split()


def loose_words(token: str) -> list[str]:
    """The loose words of one token."""
    return _loose[token].split()


def tokens(text: str) -> Iterator[re.Match[str]]:
    """The tokens of a text where they stand, unfolded."""
    return TOKEN.finditer(text)


def readings(text: str) -> tuple[str, str]:
    """The exact and the loose words of a text, each separated by spaces."""
    found = [match[0] for match in TOKEN.finditer(text)]
    return " ".join([_exact[token] for token in found]), " ".join([_loose[token] for token in found])


class _Exact(dict[str, str]):
    """A token as it stands in the text -> its exact words, separated by spaces.

    Words are remembered, since they come again and again; CJK runs hardly ever do.
    """

    def __missing__(self, token: str) -> str:
        if is_cjk(token):
            return " ".join(pairs(fold(token)))
        return _remember(self, token, "" if len(token) > _LONGEST_WORD else fold(token))


class _Loose(dict[str, str]):
    """The same, for the loose reading."""

    def __missing__(self, token: str) -> str:
        if is_cjk(token):
            return " ".join(fold(token))
        return _remember(self, token, "" if len(token) > _LONGEST_WORD else " ".join(_stems(token)))


def _remember(cache: dict[str, str], token: str, reading: str) -> str:
    if len(cache) >= _CACHED_WORDS:
        cache.clear()
    cache[token] = reading
    return reading


def _stems(token: str) -> list[str]:
    found = [stem(fold(token))]
    parts = _PARTS.findall(token)
    return found + [stem(fold(part)) for part in parts] if len(parts) > 1 else found


_exact = _Exact()
_loose = _Loose()
