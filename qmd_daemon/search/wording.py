"""The expansion stage: the query in other words, as a model puts it, and which of its lines are fit to search with.

A small model drifts: it answers in English to Chinese, and drops the one name that mattered. So a line must be in the
script of the query and have its rare words. What passes is remembered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Protocol

from qmd_daemon.engine.model import Line, Priority
from qmd_daemon.search import syntax
from qmd_daemon.store import segment

_REMEMBERED = 256
# A word in at most this share of the documents is rare; so many of them, the rarest, a line must have.
_RARE_SHARE = 0.01
_RARE_WORDS = 2
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\u1100-\u11ff\uac00-\ud7af]")


class Rewriter(Protocol):
    """A model that puts a query in other words."""

    @property
    def name(self) -> str:
        """Which model; empty when there is none."""
        ...

    async def expand(self, query: str, *, priority: Priority, deadline_s: float | None) -> Sequence[Line]:
        """Typed lines, at most a few of each kind. Raises QmdError."""
        ...


class Wording:
    """Asks the model, once for each query."""

    def __init__(self, rewriter: Rewriter) -> None:
        self._rewriter = rewriter
        self._known: dict[tuple[str, str], list[Line]] = {}

    @property
    def name(self) -> str:
        return self._rewriter.name

    def remembers(self, query: str) -> bool:
        return (self.name, query) in self._known

    async def lines(
        self, query: str, frequency: Callable[[str], float], priority: Priority, deadline_s: float | None
    ) -> list[Line]:
        """The lines that are fit to search with. `frequency` is the share of the documents that have a word.

        Raises what the model raises.
        """
        key = self.name, query
        if key in self._known:
            self._known[key] = self._known.pop(key)  # the one used last is forgotten last
        else:
            made = await self._rewriter.expand(query, priority=priority, deadline_s=deadline_s)
            while len(self._known) >= _REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[key] = [Line(one.kind, one.text) for one in made]
        return fit(query, self._known[key], frequency)


def fit(query: str, lines: Sequence[Line], frequency: Callable[[str], float]) -> list[Line]:
    """Those lines that keep to the query's script and rare words, each wording once, the query's own not again."""
    asked = _words(query)
    shares = {word: frequency(word) for word in asked}
    rare = sorted((word for word in asked if 0 < shares[word] <= _RARE_SHARE), key=lambda word: shares[word])
    must = set(rare[:_RARE_WORDS])
    seen = {" ".join(sorted(asked))}
    kept = []
    for line in lines:
        words = _words(line.text)
        wording = " ".join(sorted(words))
        if line.text.strip() and wording not in seen and _script(line.text) == _script(query):
            if must <= words if must else asked & words:
                kept.append(line)
            seen.add(wording)
    return kept


def _words(text: str) -> set[str]:
    """Stems, and the pairs of CJK runs: what must be kept, in whatever form."""
    found: set[str] = set()
    for _, token in segment.tokens(text):
        if segment.is_cjk(token):
            found.update(segment.words(token))
        elif segment.fold(token) not in syntax.STOP_WORDS:
            found.update(segment.loose_words(token)[:1])
    return found


def _script(text: str) -> str:
    for name, script in (("kana", _KANA), ("hangul", _HANGUL)):
        if script.search(text):
            return name
    return "han" if segment.is_cjk(text) else "other"
