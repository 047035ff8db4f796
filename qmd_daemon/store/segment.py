"""Text to the words that are searched: the same for documents and queries.

Two readings of everything. *Exact*: each word folded (case, width, accents), each run of Chinese, Japanese or
Korean as overlapping pairs of characters. *Loose*: English stems, the parts of identifiers (`snake_case`,
`CamelCase`), single CJK characters. A word that matches in both readings outranks one that matches loosely.

Pairs of characters need no dictionary and find two-character words; on question sets in Chinese they are as good
as a word segmenter (nDCG@10 .98, .96 and .97 against .98, .93 and .97 of jieba).
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator

import tantivy

from qmd_daemon.store import variants

# Changes when the words of an unchanged text change: indexes of another version are built again.
VERSION = 2
# Longer runs without a space are not words: hashes, base64, minified code.
_LONGEST_WORD = 80
_CACHED_WORDS = 200_000

# A word with its combining marks. `C++`, `C#` and `F#` are words.
_RUN = re.compile(r"[\w\u0300-\u036f]+(?:(?<=\b[A-Za-z])(?<![\u0300-\u036f].)(?:\+\+|#)(?![\w+#]))?")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+|[^\W_]")
_ASCII = re.compile("[ -~]+|[^ -~]+")
# Compiled when the first such character is met: 2 ms that a search for English words does not have.
_CJK = (
    r"[\u1100-\u11ff\u3005\u3007\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
    r"\uff66-\uff9f\U00020000-\U0003ffff]+"
)
_FIRST_CJK = "\u1100"
_FIRST_HAN, _LAST_HAN = "\u3400", "\u9fff"

_stemmer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.raw()).filter(tantivy.Filter.stemmer("english")).build()


def fold(text: str) -> str:
    """Case, width, accents and variants away: `Ｃafé` -> `cafe`, `資料ﾍﾞｰｽ` -> `资料べーす`.

    Marks of other scripts than Latin, Greek and Cyrillic stay.
    """
    if text.isascii():
        return text.lower()
    if _is_han(text):  # most of Chinese: nothing to decompose, and no case
        return text.translate(variants.table())
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    folded = unicodedata.normalize("NFKC", "".join(c for c in decomposed if not "\u0300" <= c <= "\u036f"))
    return folded.translate(variants.table()) if is_cjk(folded) else folded


def stem(word: str) -> str:
    """The English stem of a folded word; words of other alphabets come back as they are."""
    return str(_stemmer.analyze(word)[0]) if word.isascii() and word.isalpha() else word


def is_cjk(text: str) -> bool:
    """Whether any of it is Chinese, Japanese or Korean."""
    if text.isascii():
        return False
    last = max(text)
    return last >= _FIRST_CJK and (_FIRST_HAN <= last <= _LAST_HAN or _cjk().search(text) is not None)


@functools.cache
def _cjk() -> re.Pattern[str]:
    return re.compile(_CJK)


def _is_han(text: str) -> bool:
    """Whether all of it is. Most of Chinese, so that it is told without an expression, which takes 1 ms to compile."""
    return min(text) >= _FIRST_HAN and max(text) <= _LAST_HAN


def pairs(run: str) -> list[str]:
    """Overlapping pairs of a folded CJK run; a lone character is itself."""
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


def words(token: str) -> list[str]:
    """The exact words of one token: itself, folded, or the pairs of a CJK run. Empty for what is too long to be one."""
    return _exact[token].split()


def loose_words(token: str) -> list[str]:
    """The loose words of one token."""
    return _loose[token].split()


def tokens(text: str, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, str]]:
    """The tokens of text[start:stop] and where each begins, unfolded: words, and runs of CJK."""
    for match in _RUN.finditer(text, start, len(text) if stop is None else stop):
        run, at = match[0], match.start()
        if run.isascii() or _is_han(run) or not is_cjk(run):
            yield at, run
            continue
        for part in _split(run):
            yield at, part
            at += len(part)


def readings(text: str) -> tuple[str, str]:
    """The exact and the loose words of a text, each separated by spaces."""
    found = _RUN.findall(text)
    if not text.isascii():
        found = [token for run in found for token in (_split(run) if is_cjk(run) else (run,))]
    return " ".join([_exact[token] for token in found]), " ".join([_loose[token] for token in found])


def _split(run: str) -> list[str]:
    """`GPU显存监控` -> `GPU`, `显存监控`."""
    parts = _ASCII.findall(run)
    if all(part.isascii() or _is_han(part) for part in parts):  # the same as below, for what is mostly there
        return parts
    if _cjk().fullmatch(run):
        return [run]
    parts = []
    at = 0
    for match in _cjk().finditer(run):
        parts += [run[at : match.start()], match[0]]
        at = match.end()
    return [part for part in (*parts, run[at:]) if part]


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
