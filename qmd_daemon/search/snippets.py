"""The place in a document that answers: its line, its text, and what to highlight in it.

A ten-megabyte log must not cost more than a page. So the text is not segmented: it is searched for what the query's
words begin with, lines are ranked by that, and only the best few are segmented to see whether they really are.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from qmd_daemon.store import segment, variants
from qmd_daemon.store.lexical import LexicalQuery

MAX_CHARS = 300
_MAX_LINES = 3
# Places of one word looked at in one document, and those among all that are segmented.
_PLACES = 500
_PLACES_TRIED = 8
# Where the expression finds nothing (accents, ligatures), so much of the text is segmented after all.
_SEGMENTED_CHARS = 100_000
_LEAD_CHARS = 60
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


class Snippet(NamedTuple):
    """Text from line `line` on; `matches` are character ranges [start, stop) of it, `terms` the words found there."""

    line: int
    text: str
    matches: list[tuple[int, int]]
    terms: list[str]


class Wanted(NamedTuple):
    """The words of a query, as a document's tokens are compared with them.

    `needles` are what they begin with, folded; `pattern` finds those that are spelled in several ways.
    """

    exact: frozenset[str]
    loose: frozenset[str]
    prefixes: tuple[str, ...]
    needles: tuple[str, ...]
    pattern: re.Pattern[str] | None
    known: dict[str, bool]  # tokens that were looked at, and whether they are asked for: the same few, again and again


def wanted(queries: Iterable[LexicalQuery]) -> Wanted:
    """Collect what the queries ask for, once for all documents."""
    exact: set[str] = set()
    loose: set[str] = set()
    prefixes: list[str] = []
    for clause in (clause for query in queries for clause in query.clauses if not clause.negated):
        tokens = [token for _, token in segment.tokens(clause.text)]
        if clause.kind == "prefix":
            prefixes += [segment.fold(token) for token in tokens]
            continue
        for token in tokens:
            exact.update(segment.words(token))
            if not segment.is_cjk(token):
                loose.update(segment.loose_words(token))
    beginnings = sorted({_beginning(word) for word in exact | loose} | set(prefixes) - {""}, key=len, reverse=True)
    spelled = {word: _spelled(word) for word in beginnings}
    needles = tuple(word for word, form in spelled.items() if form is None)
    alternatives = "|".join(form for form in spelled.values() if form)
    pattern = re.compile(alternatives) if alternatives else None
    return Wanted(frozenset(exact), frozenset(loose), tuple(prefixes), needles, pattern, {})


def _spelled(word: str) -> str | None:
    """An expression for a folded word in all its spellings: `门` also finds `門`. None when it has only one."""
    if word.isascii():
        return None
    forms = [variants.spellings(character) for character in word]
    if len("".join(forms)) == len(word):
        return None
    return "".join(f"[{form}]" if len(form) > 1 else re.escape(form) for form in forms)


def best(text: str, asked: Wanted, start: int = 0, stop: int | None = None) -> Snippet:
    """The best place of text[start:stop] for the words asked for; its beginning if it has none of them."""
    stop = len(text) if stop is None else stop
    return _snippet(text, asked, place(text, asked, start, stop), start, stop)


def place(text: str, asked: Wanted, start: int = 0, stop: int | None = None) -> int:
    """The offset of that place."""
    stop = len(text) if stop is None else stop
    found = _place(text, asked, start, stop)
    if found is None:
        # Not a fence or a rule: the first line that says something.
        word = next(segment.tokens(text, start, stop), None)
        found = start if word is None else word[0]
    return found


def _beginning(word: str) -> str:
    """What a word and its other forms begin with: `happi` also finds `happy`."""
    if not word.isascii():
        return word
    stem = segment.stem(word)
    while not word.startswith(stem):
        stem = stem[:-1]
    return stem


def _place(text: str, asked: Wanted, start: int, stop: int) -> int | None:
    """Where the first word of the best line is; of a long line, of its best part."""
    found = _occurrences(text, asked, start, stop)
    if not found and not text.isascii():
        found = _occurrences(text.translate(_WIDE), asked, start, stop)
    parts: dict[int, set[str]] = {}
    common: dict[str, int] = {}
    first, end = start, -1
    for at, word in sorted(found.items()):
        if at > start and text[at - 1].islower() and not text[at].isupper():
            continue  # `rate` begins a word or a part of `frameRate`; it is not in `generate`
        if at > end:
            first, end = at, min(_line_end(text, at, stop), at + MAX_CHARS)
        parts.setdefault(first, set()).add(word)
        common[word] = common.get(word, 0) + 1
    if not parts:
        return _segmented(text, asked, start, stop)
    # A place is worth the words that it has, each the more the rarer it is in the document. fsum, because a set has
    # another order in each process, and a plain sum would round ties apart, one way here and another there.
    ranked = sorted(parts, key=lambda at: (-math.fsum(common[word] ** -0.5 for word in parts[at]), at))
    for at in ranked[:_PLACES_TRIED]:
        line = text[at : min(_line_end(text, at, stop), at + MAX_CHARS)]
        if any(_is_asked(begin, token, asked) for begin, token in segment.tokens(line)):  # mostly the first
            return at
    return None


def _occurrences(text: str, asked: Wanted, start: int, stop: int) -> dict[int, str]:
    """Where the words may begin, and which: of several at one place, the longest."""
    lower = text.lower()
    if len(lower) != len(text):  # a few letters become two: then what is written as the query has it is found
        lower = text
    found: dict[int, str] = {}
    for needle in asked.needles:
        for at in itertools.islice(_each(lower, needle, start, stop), _PLACES):
            found.setdefault(at, needle)
    if asked.pattern is not None:
        fold = functools.cache(segment.fold)  # the same few words, many times
        for match in itertools.islice(asked.pattern.finditer(text, start, stop), _PLACES):
            found.setdefault(match.start(), fold(match[0]))
    return found


def _each(text: str, needle: str, start: int, stop: int) -> Iterator[int]:
    at = text.find(needle, start, stop)
    while at >= 0:
        yield at
        at = text.find(needle, at + len(needle), stop)


def _segmented(text: str, asked: Wanted, start: int, stop: int) -> int | None:
    if text.isascii():
        return None
    for begin, token in segment.tokens(text, start, min(stop, start + _SEGMENTED_CHARS)):
        if _is_asked(begin, token, asked):
            return begin
    return None


def _snippet(text: str, asked: Wanted, at: int, start: int, stop: int) -> Snippet:
    """Up to three lines, the first of them that of offset `at`; of a long line, what is around it."""
    begin = max(start, text.rfind("\n", start, at) + 1)
    line = text.count("\n", 0, begin) + 1
    end = _line_end(text, at, stop)
    if end - begin > MAX_CHARS:
        cut = max(begin, at - _LEAD_CHARS)
        shown = ("…" if cut > begin else "") + text[cut : cut + MAX_CHARS] + ("…" if cut + MAX_CHARS < end else "")
    else:
        for _ in range(_MAX_LINES - 1):
            following = _line_end(text, end + 1, stop) if end < stop else end
            if following - begin > MAX_CHARS:
                break
            end = following
        shown = text[begin:end].rstrip()
    matches = _matches(shown, asked)
    terms = dict.fromkeys(segment.fold(shown[a:b]) for a, b in matches)
    return Snippet(line, shown, matches, list(terms))


def _line_end(text: str, at: int, stop: int) -> int:
    end = text.find("\n", at, stop)
    return stop if end < 0 else end


def _matches(text: str, asked: Wanted) -> list[tuple[int, int]]:
    """Where the words asked for stand in a short text: ranges in order, those that overlap in CJK runs merged."""
    merged: list[tuple[int, int]] = []
    for at, token in segment.tokens(text):
        for begin, end in _spans(at, token, asked) if _is_asked(at, token, asked) else ():
            if merged and begin < merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
            else:
                merged.append((begin, end))
    return merged


def _is_asked(begin: int, token: str, asked: Wanted) -> bool:
    known = asked.known.get(token)
    if known is None:
        known = asked.known[token] = bool(_spans(begin, token, asked))
    return known


def _spans(begin: int, token: str, asked: Wanted) -> list[tuple[int, int]]:
    """The parts of one token that were asked for: pairs and characters of a CJK run, else all of it or nothing."""
    if not segment.is_cjk(token):
        words = segment.words(token)
        hit = any(word in asked.exact or (asked.prefixes and word.startswith(asked.prefixes)) for word in words)
        hit = hit or any(word in asked.loose for word in segment.loose_words(token))
        return [(begin, begin + len(token))] if hit else []
    folded = segment.fold(token)
    if len(folded) != len(token):  # half-width katakana: marks and letters have become one
        return [(begin, begin + len(token))] if any(pair in asked.exact for pair in segment.pairs(folded)) else []
    found = [(begin + i, begin + i + 2) for i in range(len(folded) - 1) if folded[i : i + 2] in asked.exact]
    return found or [(begin + i, begin + i + 1) for i, character in enumerate(folded) if character in asked.exact]
