"""The place in a document that answers: its line, its text, and what to highlight in it.

A ten-megabyte log must not cost more than a page. So the text is not segmented: it is searched for what the query's
words begin with, lines are ranked by that, and only the best few are segmented to see whether they really are.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from qmd_daemon.store import segment, variants
from qmd_daemon.store.lexical import LexicalQuery

if TYPE_CHECKING:
    from ahocorasick_rs import AhoCorasick

MAX_CHARS = 300
_MAX_LINES = 3
# Places of one word looked at in one document, and those among all that are segmented.
_PLACES = 500
_PLACES_TRIED = 8
# Characters searched for runs at a time: each place is an object.
_PIECE = 100_000
# Where nothing is found in a text with letters that are folded (accents, ligatures), so much of it is segmented after
# all.
_SEGMENTED_CHARS = 100_000
_LEAD_CHARS = 60
_NARROW = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}

# Expressions that most searches do without: compiled by `re` when they are first used, for that takes 3 ms.
_FOLDED = r"[^\W\x00-\x7f\u3005-\u30ff\u3400-\u9fff\uac00-\ud7a3]|[\u0300-\u036f]"
_WIDE = "[\uff10-\uff5a]"
# Characters that folding may make one of two, or two of one: half-width katakana, Korean letters, and those that
# Unicode has for compatibility only.
_COMPATIBLE = "[\u1100-\u11ff\u3130-\u318f\uf900-\ufaff\uff66-\uff9f\U0002f800-\U0002fa1f]"


class Snippet(NamedTuple):
    """Text from line `line` on; `matches` are character ranges [start, stop) of it, `terms` the words found there."""

    line: int
    text: str
    matches: list[tuple[int, int]]
    terms: list[str]


class Wanted(NamedTuple):
    """The words of a query, as a document's tokens are compared with them, all folded.

    `exact`, `loose` and `prefixes` are of words, and `needles` what these begin with, which a text is searched for;
    `initials` are their first letters, large and small. `runs` are pairs and lone characters of Chinese, Japanese and
    Korean; `spelled` has each run for each of its spellings, and `finder` finds these, by their place among them.
    """

    exact: frozenset[str]
    loose: frozenset[str]
    prefixes: tuple[str, ...]
    needles: tuple[str, ...]
    initials: frozenset[str]
    runs: frozenset[str]
    spelled: dict[str, str]
    finder: AhoCorasick | None
    known: dict[str, bool]  # tokens that were looked at, and whether they are asked for: the same few, again and again


def wanted(queries: Iterable[LexicalQuery]) -> Wanted:
    """Collect what the queries ask for, once for all documents."""
    exact: set[str] = set()
    loose: set[str] = set()
    spelled: dict[str, str] = {}
    prefixes: list[str] = []
    for clause in (clause for query in queries for clause in query.clauses if not clause.negated):
        for _, token in segment.tokens(clause.text):
            if segment.is_cjk(token):
                for run in segment.words(token):  # `门` is also `門`
                    spelled.update((one, run) for one in map("".join, itertools.product(*map(variants.spellings, run))))
            elif clause.kind == "prefix":
                prefixes.append(segment.fold(token))
            else:
                exact.update(segment.words(token))
                # Single letters are parts of a name, `H5N1`, and stand everywhere: the name is looked for.
                loose.update(word for word in segment.loose_words(token) if len(word) > 1)
    beginnings = {*map(_beginning, exact | loose), *prefixes} - {""}
    needles = sorted(beginnings, key=lambda word: (-len(word), word))
    initials = frozenset(form for needle in needles for form in (needle[0], needle[0].upper()))
    runs = frozenset(spelled.values())
    finder = _finder(spelled) if spelled else None
    return Wanted(
        frozenset(exact), frozenset(loose), tuple(prefixes), tuple(needles), initials, runs, spelled, finder, {}
    )


def _finder(spelled: Iterable[str]) -> AhoCorasick:
    from ahocorasick_rs import AhoCorasick  # a search for English words has no use for it

    return AhoCorasick(spelled, store_patterns=False)


def best(text: str, asked: Wanted, start: int = 0, stop: int | None = None) -> Snippet:
    """The best place of text[start:stop] for the words asked for; its beginning if it has none of them."""
    part = text[start:stop]
    places = _places(part, asked)
    # As this text spells them.
    runs = {part[at : at + len(word)] for at, word in places.items() if word in asked.runs}
    found = _snippet(part, asked, _at(part, asked, places), runs)
    return found._replace(line=found.line + text.count("\n", 0, start))


def place(text: str, asked: Wanted) -> int:
    """The offset of that place in a text."""
    return _at(text, asked, _places(text, asked))


def _at(text: str, asked: Wanted, places: dict[int, str]) -> int:
    found = _best_place(text, asked, places)
    if found is None:
        # Not a fence or a rule: the first line that says something.
        found = next(segment.tokens(text), (0, ""))[0]
    return found


def _beginning(word: str) -> str:
    """What a word and its other forms begin with: `happi` also finds `happy`."""
    if not word.isascii():
        return word
    stem = segment.stem(word)
    while not word.startswith(stem):
        stem = stem[:-1]
    return stem


def _best_place(text: str, asked: Wanted, places: dict[int, str]) -> int | None:
    """Where the first word of the best line is; of a long line, of its best part."""
    parts: dict[int, set[str]] = {}
    common: dict[str, int] = {}
    first, end = 0, -1
    for at, word in sorted(places.items()):
        if at and text[at - 1].islower() and not text[at].isupper():
            continue  # `rate` begins a word or a part of `frameRate`; it is not in `generate`
        if at > end:
            first, end = at, min(_line_end(text, at), at + MAX_CHARS)
        parts.setdefault(first, set()).add(word)
        common[word] = common.get(word, 0) + 1
    if not parts:
        return _segmented(text, asked)
    # A place is worth the words that it has, each the more the rarer it is in the document. fsum, because a set has
    # another order in each process, and a plain sum would round ties apart, one way here and another there.
    ranked = sorted(parts, key=lambda at: (-math.fsum(common[word] ** -0.5 for word in parts[at]), at))
    for at in ranked[:_PLACES_TRIED]:
        if not asked.runs.isdisjoint(parts[at]):
            return at
        line = text[at : min(_line_end(text, at), at + MAX_CHARS)]
        if any(_is_asked(token, asked) for _, token in segment.tokens(line)):  # mostly the first
            return at
    return None


def _places(text: str, asked: Wanted) -> dict[int, str]:
    """`_occurrences`, in full-width letters, too, where there are no others."""
    places = _occurrences(text, asked)
    if not places and not text.isascii() and re.search(_WIDE, text):
        return _occurrences(text.translate(_NARROW), asked)
    return places


def _occurrences(text: str, asked: Wanted) -> dict[int, str]:
    """Where the words may begin, and which: of several at one place, the longest."""
    found: dict[int, str] = {}
    lower = _lower(text, asked) if asked.needles else text
    for needle in asked.needles:
        letter = len(needle) == 1 and needle.isascii()
        places = _alone(lower, needle) if letter else _each(lower, needle)
        for at in itertools.islice(places, _PLACES):
            found.setdefault(at, needle)
    for at, run in _runs(text, asked):
        if len(run) > len(found.get(at, "")):
            found[at] = run
    return found


def _lower(text: str, asked: Wanted) -> str:
    """In small letters, as far as that is needed, each where it was."""
    if not text.isascii() and all(map(str.isascii, asked.needles)):
        return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")  # a third of the time
    lower = text.lower()
    # A few letters become two: then what is written as the query has it is found.
    return lower if len(lower) == len(text) else text


def _runs(text: str, asked: Wanted) -> Iterator[tuple[int, str]]:
    """Where the pairs and characters are, in any spelling, and which."""
    if asked.finder is None or text.isascii():
        return
    runs = list(asked.spelled.values())
    places = dict.fromkeys(runs, 0)
    for start in range(0, len(text), _PIECE):
        # With one more character, because pairs may begin with the last.
        piece = text[start : start + _PIECE + 1]
        for number, at, _ in asked.finder.find_matches_as_indexes(piece, overlapping=True):
            run = runs[number]
            places[run] += 1
            if places[run] <= _PLACES:
                yield start + at, run


def _each(text: str, needle: str) -> Iterator[int]:
    at = text.find(needle)
    while at >= 0:
        yield at
        at = text.find(needle, at + len(needle))


def _alone(text: str, letter: str) -> Iterator[int]:
    """Where a letter is a word of its own: inside of words it is everywhere."""
    found = re.finditer(rf"{re.escape(letter)}(?<!\w{re.escape(letter)})(?!\w)", text)
    return (match.start() for match in found)


def _segmented(text: str, asked: Wanted) -> int | None:
    if text.isascii() or not re.search(_FOLDED, text[:_SEGMENTED_CHARS]):
        return None
    for begin, token in segment.tokens(text, 0, min(len(text), _SEGMENTED_CHARS)):
        if _is_asked(token, asked):
            return begin
    return None


def _snippet(text: str, asked: Wanted, at: int, runs: Iterable[str]) -> Snippet:
    """Up to three lines, the first of them that of offset `at`; of a long line, what is around it."""
    begin = text.rfind("\n", 0, at) + 1
    line = text.count("\n", 0, begin) + 1
    end = _line_end(text, at)
    if end - begin > MAX_CHARS:
        cut = max(begin, at - _LEAD_CHARS)
        shown = ("…" if cut > begin else "") + text[cut : cut + MAX_CHARS] + ("…" if cut + MAX_CHARS < end else "")
    else:
        for _ in range(_MAX_LINES - 1):
            following = _line_end(text, end + 1) if end < len(text) else end
            if following - begin > MAX_CHARS:
                break
            end = following
        shown = text[begin:end].rstrip()
    matches = _matches(shown, asked, runs)
    terms = dict.fromkeys(segment.fold(shown[a:b]) for a, b in matches)
    return Snippet(line, shown, matches, list(terms))


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _matches(text: str, asked: Wanted, runs: Iterable[str]) -> list[tuple[int, int]]:
    """Where the words asked for, and these runs, stand in a short text: ranges in order, those that overlap merged."""
    found = [(at, at + len(run)) for run in runs for at in _each(text, run)]
    folded = bool(asked.runs) and re.search(_COMPATIBLE, text) is not None
    words_only = bool(found) and not folded  # all runs are there already, as they are spelled
    if asked.exact or asked.prefixes or folded:
        found += [
            (at, at + len(token))
            for at, token in segment.tokens(text)
            if not (words_only and segment.is_cjk(token)) and _is_asked(token, asked)
        ]
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(found):
        if merged and begin < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _is_asked(token: str, asked: Wanted) -> bool:
    """Whether a token is one of the words. Of runs, only those that have to be folded to be found."""
    known = asked.known.get(token)
    if known is None:
        known = asked.known[token] = _is_run(token, asked) if segment.is_cjk(token) else _is_word(token, asked)
    return known


def _is_word(token: str, asked: Wanted) -> bool:
    if token[0] not in asked.initials and token[1:].islower() and token.isascii() and token.isalpha():
        return False  # of a plain word, reading it changes no more than its end
    words = segment.words(token)
    return (
        not asked.exact.isdisjoint(words)
        or bool(asked.prefixes and any(word.startswith(asked.prefixes) for word in words))
        or not asked.loose.isdisjoint(segment.loose_words(token))
    )


def _is_run(token: str, asked: Wanted) -> bool:
    if not re.search(_COMPATIBLE, token):
        return False
    folded = segment.fold(token)
    return not asked.runs.isdisjoint((*segment.pairs(folded), *folded))
