"""What is typed in the one line of the search screen, as what is asked: the query language on a single line.

gpu memory -c notes                       words, in one collection
gpu memory intent: the daemon             and what is meant by them
lex: CTranslate2 vec: how are batches cut  typed lines, which the daemon takes one to a line
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

KINDS = ("lex:", "vec:", "hyde:", "intent:")
COLLECTION = "-c"
_COLLECTION = re.compile(r"(?<!\S)-c[ \t]+(\S+)")
_KIND = re.compile(r"(?<!\S)(?:lex|vec|hyde|intent|expand):", re.IGNORECASE)
_INTENT = re.compile(r"(?<!\S)intent:", re.IGNORECASE)
# So many letters before a kind is suggested: fewer begin too many words.
_ENOUGH = {"lex:": 2, "vec:": 2, "hyde:": 2, "intent:": 4}


class Asked(NamedTuple):
    """The parts of a search request that stand in the input."""

    query: str
    collections: tuple[str, ...] = ()
    intent: str = ""


def read(text: str) -> Asked:
    """Take the line apart. What is wrong with the query itself, the daemon says."""
    collections = tuple(dict.fromkeys(_COLLECTION.findall(text)))
    query = _COLLECTION.sub("", text).strip()
    if _KIND.match(query):
        starts = [match.start() for match in _KIND.finditer(query)] + [len(query)]
        lines = [query[start:stop].strip() for start, stop in pairwise(starts)]
        return Asked("\n".join(lines), collections)
    if found := _INTENT.search(query):
        return Asked(query[: found.start()].strip(), collections, query[found.end() :].strip())
    return Asked(query, collections)


def suggestion(text: str, collections: Iterable[str], before: Sequence[str] = ()) -> str | None:
    """The text completed: a kind of line, a collection's name after `-c`, else what was asked before.

    `before`: earlier queries, the newest last.
    """
    words = text.split(" ")
    last = words[-1]
    if len(words) > 1 and words[-2] == COLLECTION:
        return next((text + name[len(last) :] for name in collections if name.startswith(last) and name != last), None)
    typed = len(words) == 1 or _KIND.match(text.strip()) is not None
    for kind in KINDS:
        if (typed or kind == "intent:") and len(last) >= _ENOUGH[kind] and kind.startswith(last) and kind != last:
            return text + kind[len(last) :]
    if text.strip():
        return next((one for one in reversed(before) if one.startswith(text) and one != text), None)
    return None
