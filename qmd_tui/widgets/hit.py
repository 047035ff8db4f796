"""What a hit says about itself: the line that matched, the words that did, how good it is."""

from __future__ import annotations

import re

from ipc.protocol import Hit
from qmd_tui.language import N_, tr
from qmd_tui.widgets.text import Range, visible

# More words than these in one snippet say nothing any more, and cost time on every line.
_MOST_TERMS = 64
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400
# What an age is counted in: from so many seconds on, in units of so many. Months and years are mean ones.
_AGES = (
    (2 * 365 * _DAY_S, 365.2425 * _DAY_S, N_("{count} y")),
    (70 * _DAY_S, 30.436875 * _DAY_S, N_("{count} mo")),
    (14 * _DAY_S, 7 * _DAY_S, N_("{count} wk")),
    (_DAY_S, _DAY_S, N_("{count} d")),
    (_HOUR_S, _HOUR_S, N_("{count} h")),
    (_MINUTE_S, _MINUTE_S, N_("{count} min")),
)


def first_match_line(hit: Hit) -> int:
    """The line of the document (from 1) where its first match is."""
    before = hit.snippet[: hit.matches[0][0]] if hit.matches else ""
    return hit.line + before.count("\n")


def lines(hit: Hit) -> tuple[int, int]:
    """The first and the last line that the snippet covers."""
    return hit.line, hit.line + hit.snippet.rstrip("\n").count("\n")


def snippet_line(hit: Hit) -> tuple[str, list[Range]]:
    """One line of the snippet, harmless, with the ranges that matched: the first that has a match, else any text."""
    start = 0
    best: tuple[str, list[Range]] = ("", [])
    for text in hit.snippet.split("\n"):
        stop = start + len(text)
        matches = [(max(a, start) - start, min(b, stop) - start) for a, b in hit.matches if a < stop and b > start]
        if matches or not best[0].strip():
            best = (visible(text.replace("\t", " ")), matches)
        if matches:
            break
        start = stop + 1
    return best


def place(hit: Hit) -> str:
    """Where it is: collection, path and line."""
    return visible(f"{hit.collection}/{hit.path}:{first_match_line(hit)}")


def age(hit: Hit, now: float) -> str:
    """How long ago its file was written, such as `3 d`; "" where nobody knows. A clock that is ahead says `now`."""
    if hit.modified_at is None:
        return ""
    past_s = now - hit.modified_at
    for least_s, unit_s, told in _AGES:
        if past_s >= least_s:
            return tr(told).format(count=int(past_s / unit_s))
    return tr("now")


def percent(hit: Hit) -> str:
    """Its score; and, where a model gives one, its relevance."""
    score = min(max(hit.score, 0.0), 1.0)
    if hit.relevance is None:
        return f"{round(100 * score)}%"
    return f"{score:.2f} · {round(100 * min(max(hit.relevance, 0.0), 1.0))}%"


def pattern(hit: Hit) -> re.Pattern[str] | None:
    """What finds the words that matched elsewhere in the document, too; None when no words did."""
    found = {visible(hit.snippet[a:b]).strip().casefold() for a, b in hit.matches}
    terms = sorted(found - {""}, key=lambda term: (-len(term), term))[:_MOST_TERMS]
    return re.compile("|".join(map(_whole, terms)), re.IGNORECASE) if terms else None


def _whole(term: str) -> str:
    """A word matches as a whole. Chinese has no gaps between words, so there a match may lie within a run."""
    left = r"(?<![A-Za-z0-9])" if term[0].isascii() and term[0].isalnum() else ""
    right = r"(?![A-Za-z0-9])" if term[-1].isascii() and term[-1].isalnum() else ""
    return left + re.escape(term) + right
