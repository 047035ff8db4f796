"""From ranked documents to what a person is shown: addresses, titles, contexts and snippets.

The same for the daemon and for `qmd search`, which reads the index itself: rows are plain dictionaries in the shape
of `ipc.protocol.Hit`, because that module is too slow to import there. Standard library only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

from qmd_daemon.search import calibrate, fusion, snippets, syntax
from qmd_daemon.search.calibrate import Evidence
from qmd_daemon.search.fusion import Part
from qmd_daemon.store import documents, segment
from qmd_daemon.store.lexical import LexicalReader, coverage

# How much of each list is fused. Deeper ones change the first page by less than the judgments can tell.
CANDIDATES = 100
_SCORE_DIGITS = 4


class Found(NamedTuple):
    """A document of an answer.

    `chunk` are the characters that vectors chose; `span` those that the snippet is from, None where words choose.
    `fused` and `rerank` are what the score was blended from, the first with the weight `trust`; `evidence` is what
    the relevance was judged by.
    """

    document: int
    score: float
    parts: Sequence[Part] = ()
    span: tuple[int, int] | None = None
    chunk: tuple[int, int] | None = None
    fused: float | None = None
    rerank: float | None = None
    trust: float | None = None
    evidence: Evidence | None = None
    relevance: float | None = None


def lexical(
    reader: LexicalReader,
    parsed: syntax.Parsed,
    limit: int,
    collections: Sequence[str],
    allowed: Sequence[int] | None = None,
) -> list[Found]:
    """Search the words of a query; the lists of several `lex:` lines are fused."""
    lists = [
        fusion.Ranked(
            "lexical" if number == 1 else f"lexical {number}", reader.search(query, limit, collections, allowed)
        )
        for number, query in enumerate(parsed.lexical, start=1)
    ]
    if len(lists) != 1:
        return [Found(one.document, one.score, one.parts) for one in fusion.fuse(lists)][:limit]
    found = fusion.alone(lists[0].name, lists[0].items)
    worth = reader.worth(parsed.lexical[0])
    pairs = any(segment.is_cjk(clause.text) for clause in parsed.lexical[0].clauses)
    telling = worth >= calibrate.TELLING
    judged = []
    for one in found:
        evidence = Evidence(one.score, coverage(one.score, worth), pairs, telling)
        relevance = calibrate.relevance(evidence) if telling else None
        judged.append(Found(one.document, one.score, one.parts, evidence=evidence, relevance=relevance))
    return judged


def relevant_enough(found: list[Found], least: float | None) -> tuple[list[Found], list[str]]:
    """What is likely to answer, `least` or more; and notes: when nothing is, or nobody knows."""
    judged = [(one.relevance, one.evidence) for one in found if one.relevance is not None]
    if found and not judged:
        unknown = "Without min_relevance: nobody here can say how relevant a hit is."
        return found, [unknown] if least is not None else []
    notes = ["Nothing here seems relevant."] if calibrate.nothing(judged) else []
    if least is None:
        return found, notes
    return [one for one in found if one.relevance is not None and one.relevance >= least], notes


def rows(
    connection: sqlite3.Connection, found: Sequence[Found], parsed: syntax.Parsed, index: str, *, explain: bool = False
) -> list[dict[str, Any]]:
    """A row for each document that still exists, in the order given."""
    stored = documents.by_ids(connection, [one.document for one in found])
    contexts = {name: documents.contexts(connection, name) for name in {one.collection for one in stored.values()}}
    asked = snippets.wanted(parsed.lexical or [syntax.terms(text) for text in parsed.vectors])
    shown = []
    for one in found:
        if document := stored.get(one.document):
            text = documents.text(connection, document.hash)
            shown.append(_row(one, document, snippets.best(text, asked, *(one.span or (0,))), index, explain))
            shown[-1]["total_lines"] = text.count("\n") + (not text.endswith("\n"))
            shown[-1]["context"] = documents.context_of(document.path, contexts[document.collection])
    return shown


def _row(
    found: Found, document: documents.Stored, snippet: snippets.Snippet, index: str, explain: bool
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "docid": documents.docid(document.hash),
        "file": documents.uri(document.collection, document.path, index),
        "collection": document.collection,
        "path": document.path,
        "title": document.title,
        "line": snippet.line,
        "score": round(found.score, _SCORE_DIGITS),
        "snippet": snippet.text,
        "matches": snippet.matches,
        "total_lines": 0,
        "modified_at": document.mtime_ns / 1e9,
        "context": "",
        "relevance": None if found.relevance is None else round(found.relevance, _SCORE_DIGITS),
        "explain": None,
    }
    if explain:
        contributions = [part._asdict() for part in found.parts]
        row["explain"] = {
            "contributions": contributions,
            "matched_terms": snippet.terms,
            "fused": found.fused,
            "rerank": found.rerank,
            "trust": found.trust,
            **_evidence(found.evidence),
        }
    return row


def _evidence(evidence: Evidence | None) -> dict[str, float | None]:
    near = evidence.closeness if evidence else None
    return {
        "coverage": evidence.coverage if evidence else None,
        "cosine": near.cosine if near else None,
        "usual_cosine": near.usual if near else None,
        "spread": near.spread if near else None,
    }
