"""The reranking stage: a model reads the query beside the best passage of each of the first documents."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

from qmd_daemon.engine.model import Priority, Score
from qmd_daemon.search import snippets, syntax
from qmd_daemon.search.hits import Found
from qmd_daemon.store import documents
from qmd_daemon.store.lexical import LexicalQuery

_REMEMBERED = 10_000
_PASSAGE_CHARACTERS = 1600
_LEAD_CHARACTERS = 400
# How much the order before counts, by place in it: the first were found by several means, and a model that errs must
# not lose them. The bounds and weights are those of tobi/qmd; what is weighed is our fused score, not 1 / rank.
_TRUST = ((3, 0.75), (10, 0.60))
_TRUST_BELOW = 0.40
# Up to so many words, of which one is a name in code, words decide better than a model of prose.
_NAMES_MAX = 3
_NAME = re.compile(r"\w+_\w+|\w+(::|->|\(\)|/|\.\w)\S*|[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*|\S*\d+\.\d\S*|[A-Z]+-?\d+")


class Judge(Protocol):
    """A model that judges how well documents answer a query."""

    @property
    def name(self) -> str:
        """Which model; empty when there is none."""
        ...

    @property
    def unasked(self) -> bool:
        """Whether it is so fast that a search need not ask for it."""
        ...

    async def rerank(
        self, query: str, documents: Sequence[str], *, priority: Priority, deadline_s: float | None
    ) -> Sequence[Score]:
        """A score for each document, in their order. Raises QmdError."""
        ...


class Judging:
    """Asks the model, once for each query and passage."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._known: dict[bytes, float] = {}

    @property
    def name(self) -> str:
        return self._judge.name

    @property
    def unasked(self) -> bool:
        return self._judge.unasked

    def unknown(self, query: str, passages: Sequence[str]) -> int:
        """How many of these would have to be computed."""
        return len({key for passage in passages if (key := self._key(query, passage)) not in self._known})

    async def probabilities(
        self, query: str, passages: Sequence[str], priority: Priority, deadline_s: float | None
    ) -> list[float]:
        """How likely each passage answers, in order; equal ones are read once. Raises what the model raises."""
        keys = [self._key(query, passage) for passage in passages]
        fresh = {key: passage for key, passage in zip(keys, passages, strict=True) if key not in self._known}
        found = {key: self._known[key] for key in keys if key in self._known}
        if fresh:
            scores = await self._judge.rerank(query, list(fresh.values()), priority=priority, deadline_s=deadline_s)
            found.update(zip(fresh, (score.probability for score in scores), strict=True))
        for key, probability in found.items():  # those used last are forgotten last
            self._known.pop(key, None)
            self._known[key] = probability
        while len(self._known) > _REMEMBERED:
            self._known.pop(next(iter(self._known)))
        return [found[key] for key in keys]

    def _key(self, query: str, passage: str) -> bytes:
        text = f"{self.name}\0{query}\0{passage}"
        return blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


def names_things(parsed: syntax.Parsed) -> bool:
    """Whether a query asks for something by its name, such as `max_tokens` or `"exact words"`."""
    clauses = [clause for query in parsed.lexical for clause in query.clauses if not clause.negated]
    if not clauses or len(clauses) > _NAMES_MAX or any(query.question for query in parsed.lexical):
        return False
    return all(clause.kind == "phrase" for clause in clauses) or any(
        clause.kind == "word" and _NAME.fullmatch(clause.text) for clause in clauses
    )


def question(parsed: syntax.Parsed, intent: str) -> str:
    """What the model is asked: the query without its syntax, behind what is meant by it."""
    said = (*parsed.vectors, *(_text(query) for query in parsed.lexical), *parsed.passages)
    if parsed.typed and parsed.lexical:
        said = (_text(parsed.lexical[0]),)
    return f"{intent}\n\n{said[0]}" if intent else said[0]


def passages(connection: sqlite3.Connection, found: Sequence[Found], parsed: syntax.Parsed) -> dict[int, str]:
    """The best passage of each document that still exists, below its title: the best chunk, or where the words are."""
    stored = documents.by_ids(connection, [one.document for one in found])
    asked = snippets.wanted(parsed.lexical)
    read: dict[int, str] = {}
    for one in found:
        if document := stored.get(one.document):
            text = documents.text(connection, document.hash)
            if one.chunk:
                passage = text[slice(*one.chunk)]
            else:
                begin = max(0, snippets.place(text, asked) - _LEAD_CHARACTERS)
                passage = text[begin : begin + _PASSAGE_CHARACTERS]
            passage = passage[:_PASSAGE_CHARACTERS].strip()
            read[one.document] = passage if document.title in passage else f"{document.title}\n{passage}"
    return read


def blend(found: Sequence[Found], probabilities: dict[int, float]) -> list[Found]:
    """Reorder those that were judged, by place and probability; the others follow as they were."""
    judged, rest = [], []
    for place, one in enumerate(found, start=1):
        if one.document not in probabilities:
            rest.append(one)
            continue
        trust = next((weight for last, weight in _TRUST if place <= last), _TRUST_BELOW)
        probability = probabilities[one.document]
        score = trust * one.score + (1 - trust) * probability
        judged.append(one._replace(score=score, fused=one.score, rerank=probability, trust=trust))
    judged.sort(key=lambda one: -one.score)
    ceiling = judged[-1].score if judged else 1.0
    return judged + [one._replace(score=min(one.score, ceiling), fused=one.score) for one in rest]


def _text(query: LexicalQuery) -> str:
    return " ".join(clause.text for clause in query.clauses if not clause.negated)
