"""The lexical index: what tantivy stores of a document, and how its words are asked for.

A document has four fields: the exact and the loose reading (`segment`) of its title and of its text. They are
indexed as words separated by spaces, not as token objects, which would cost a call for each word; their offsets are
not needed, since a snippet looks for the words in the original text.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import tantivy
from tantivy import Occur, Query

from qmd_daemon.store import segment

_SCHEMA = 1
VERSION = _SCHEMA * 1000 + segment.VERSION

# Weights of the fields, chosen on eight collections with relevance judgments (English, Chinese, Japanese, code):
# the exact reading carries, so that an exact form outranks its stem; a title counts little where texts repeat it.
WEIGHTS = {"title": 0.15, "title_loose": 0.05, "body": 0.75, "body_loose": 0.25}
_EXACT = ("title", "body")
_LOOSE = ("title_loose", "body_loose")
# A score of SATURATION becomes 0.5 (score / (score + SATURATION)): between 0 and 1, in the same order.
SATURATION = 10.0
# Up to so many things asked for, documents that have all of them come first. In longer questions the words that
# are missing are rarely the ones that matter: putting "all" first costs 0.02 to 0.06 nDCG@10 on long documents.
ALL_FIRST_MAX = 6
# Two neighbours of a question with so many words between them at most count this much. On the English sets nDCG@10
# rises by 0.04 and 0.03 (long documents, API documentation), 0.00 and 0.01 (short texts), 0.00 (code). A second phrase
# for those that follow each other at once adds nothing to it, and takes as long again: half of a search of ten words.
NEAR = 5, 0.4
# Where both are in more documents than this, they say little (nDCG@10 on all sets as without the bound), and looking
# where they stand would take most of the time.
_COMMON = 700
_PREFIX_TERMS = 200
# A word that no document has is read as the beginning of one, or as one with a typing error, from so many letters on.
_PREFIX_LETTERS = 3
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_TYPO_LETTERS = 5
# The first letters are trusted: people get them right, and all words with one of them are too many to look through.
_SURE_LETTERS = 2
# Words that begin with so many letters are few enough for that.
_FEW_BEGIN_WITH = 5
# Tantivy's k1, which bounds what repeating a word can add.
_K1 = 1.2
# What a writer may have in memory before it writes a part: some 40 MB of text, and 20 MB more at its peak than half.
_HEAP_BYTES = 128_000_000


class Clause(NamedTuple):
    """One thing that is asked for: a word, a phrase (words in this order) or the beginning of a word."""

    text: str
    kind: str = "word"  # word, phrase or prefix
    negated: bool = False


class LexicalQuery(NamedTuple):
    """What to look for. `question`: asked in a sentence, so that no word of it is a condition."""

    clauses: tuple[Clause, ...]
    question: bool = False


class LexicalWriter:
    """Adds to an index in a directory. One at a time: tantivy locks the directory while a writer lives."""

    def __init__(self, path: str, create: bool) -> None:
        """Open the index; with `create`, start an empty one. Raises ValueError or OSError for what is not an index."""
        if create:
            os.makedirs(path, exist_ok=True)
            self._index = tantivy.Index(_schema(), path, reuse=True)
        else:
            self._index = tantivy.Index.open(path)
        self._writer: tantivy.IndexWriter | None = self._index.writer(_HEAP_BYTES, 1)

    def put(self, rows: Iterable[tuple[int, str, str, str, str]]) -> None:
        """Add documents as (id, collection, path, title, text), in the place of those with the same id."""
        writer = self._open()
        for number, collection, _path, title, text in rows:
            self.remove([number])
            document = tantivy.Document()
            document.add_unsigned("id", number)
            document.add_text("collection", collection)
            for name, (exact, loose) in (("title", segment.readings(title)), ("body", segment.readings(text))):
                document.add_text(name, exact)
                document.add_text(f"{name}_loose", loose)
            writer.add_document(document)

    def remove(self, ids: Iterable[int]) -> None:
        """Remove documents, also those that were added since the last commit."""
        # Not by term: of a number, tantivy-py makes a signed one, which matches nothing in this field (0.27).
        self._open().delete_documents_by_query(Query.term_set_query(self._index.schema, "id", list(ids)))

    def commit(self) -> None:
        """Make it durable. Afterwards no merge is running: the files stay as they are until the next change."""
        writer = self._open()
        writer.commit()
        # It also ends the writer, so the next change opens another one.
        writer.wait_merging_threads()
        self._writer = None

    def count(self) -> int:
        """Documents in the index, as of the last commit."""
        self._index.reload()
        return self._index.searcher().num_docs

    def close(self) -> None:
        """Drop what is not committed, and the lock."""
        if self._writer is not None:
            self._writer.rollback()
            self._writer.wait_merging_threads()
            self._writer = None

    def _open(self) -> tantivy.IndexWriter:
        if self._writer is None:
            self._writer = self._index.writer(_HEAP_BYTES, 1)
        return self._writer


class LexicalReader:
    """Searches an index in a directory, also while another process writes to it."""

    def __init__(self, path: str) -> None:
        """Raises ValueError or OSError for what is not an index."""
        self._index = tantivy.Index.open(path)
        self._index.config_reader("manual")
        self._schema = self._index.schema
        self.reload()

    def reload(self) -> None:
        """Show the newest commit to the searches that follow."""
        self._index.reload()
        self._searcher = self._index.searcher()

    def count(self) -> int:
        return self._searcher.num_docs

    def frequency(self, word: str) -> float:
        """The share of the documents that have a word, in its exact or its loose reading."""
        return self._searcher.doc_freq("body_loose", word) / max(1, self.count()) or (
            self._searcher.doc_freq("body", word) / max(1, self.count())
        )

    def search(
        self,
        query: LexicalQuery,
        limit: int,
        collections: Sequence[str] = (),
        allowed: Sequence[int] | None = None,
    ) -> list[tuple[int, float]]:
        """The best documents as (id, score), best first; scores lie between 0 and 1.

        A document need not have every word: those that miss some come later, unless one is in quotes or negated.
        Only those in `collections` are found (all, if none is named), and only `allowed` ones if that is given.
        """
        asked = [clause for clause in query.clauses if not clause.negated]
        wanted = [group for clause in asked for group in self._groups(clause) if group]
        if not wanted:
            return []
        bonus = [(Occur.Should, one) for clause in asked for one in self._together(clause)]
        bonus += [(Occur.Should, one) for one in self._neighbours(asked)]
        conditions = self._conditions(query, collections, allowed)
        first: list[tuple[float, tantivy.DocAddress]] = []
        if not query.question and 1 < len(wanted) <= ALL_FIRST_MAX:
            all_of = [(Occur.Must, _any(group)) for group in wanted]
            first = self._run(Query.boolean_query(all_of + bonus + conditions), limit)
        rest = []
        if len(first) < limit:
            # Flat where it can be: tantivy skips what cannot reach the top only in a plain union of words.
            any_of = [(Occur.Should, one) for group in wanted for one in group] + bonus
            whole = [(Occur.Must, Query.boolean_query(any_of)), *conditions] if conditions else any_of
            rest = self._run(Query.boolean_query(whole), limit)
        return self._ranked(first, rest)[:limit]

    def worth(self, query: LexicalQuery) -> float:
        """How much the words of a query could say: their inverse document frequencies by field weight, in sum.

        A word that no document has counts as the rarest of all.
        """
        texts = [clause.text for clause in query.clauses if not clause.negated]
        return sum(word for text in texts for _, token in segment.tokens(text) for word in self._worth(token))

    def _worth(self, token: str) -> list[float]:
        """Of each of a token's words, with the inverse document frequency of tantivy's BM25."""
        if segment.is_cjk(token):
            frequencies = [(self._searcher.doc_freq("body", word), WEIGHTS["body"]) for word in segment.words(token)]
        else:
            whole = WEIGHTS["body"] + WEIGHTS["body_loose"]
            words = segment.loose_words(token)[:1]
            frequencies = [(self._searcher.doc_freq("body_loose", word), whole) for word in words]
        count = self.count()
        return [weight * math.log(1 + (count - have + 0.5) / (have + 0.5)) for have, weight in frequencies]

    def _run(self, query: Query, limit: int) -> list[tuple[float, tantivy.DocAddress]]:
        return self._searcher.search(query, limit, count=False).hits

    def _ranked(
        self, first: list[tuple[float, tantivy.DocAddress]], rest: list[tuple[float, tantivy.DocAddress]]
    ) -> list[tuple[int, float]]:
        """One list: `first`, then what is only in `rest`, its scores scaled to begin where the first ones end."""
        have = {_place(address) for _, address in first}
        rest = [(score, address) for score, address in rest if _place(address) not in have]
        ceiling = first[-1][0] if first else float("inf")
        scale = min(1.0, ceiling / rest[0][0]) if rest else 1.0
        hits = first + [(score * scale, address) for score, address in rest]
        ids = self._searcher.fast_field_values("id", [address for _, address in hits]) if hits else []
        return [(int(number or 0), score / (score + SATURATION)) for number, (score, _) in zip(ids, hits, strict=True)]

    def _conditions(
        self, query: LexicalQuery, collections: Sequence[str], allowed: Sequence[int] | None
    ) -> list[tuple[Occur, Query]]:
        """What a document must have, or must not, without a part in its score."""
        found: list[tuple[Occur, Query]] = []
        if allowed is not None:
            chosen = Query.term_set_query(self._schema, "id", list(allowed))
            found.append((Occur.Must, Query.const_score_query(chosen, 0.0)))
        elif collections:
            chosen = Query.term_set_query(self._schema, "collection", list(collections))
            found.append((Occur.Must, Query.const_score_query(chosen, 0.0)))
        for clause in query.clauses:
            if clause.negated:
                found.append((Occur.MustNot, _any(self._said(clause))))
            elif clause.kind == "phrase":
                found.append((Occur.Must, Query.const_score_query(_any(self._said(clause)), 0.0)))
        return found

    def _groups(self, clause: Clause) -> list[list[Query]]:
        """For each thing that the clause asks for, the queries of which one should match."""
        if clause.kind != "word":
            return [self._said(clause)]
        return [group for _, token in segment.tokens(clause.text) for group in self._word(token)]

    def _word(self, token: str) -> list[list[Query]]:
        words = segment.words(token)
        if len(words) > 1:  # a CJK run
            return [self._term(_EXACT, word) for word in words]
        forms = [(field, word) for word in words for field in _EXACT]
        forms += [(field, word) for word in segment.loose_words(token) for field in _LOOSE]
        if any(self._searcher.doc_freq(field, word) for field, word in forms):
            return [[self._scored(field, word) for field, word in forms]]
        return [self._instead(word) for word in words]

    def _instead(self, word: str) -> list[Query]:
        """For a word that is nowhere: those that begin with it, or else those that differ by one letter."""
        if len(word) < _PREFIX_LETTERS:
            return []
        begun = self._beginning_with(word)
        if begun or len(word) < _TYPO_LETTERS or not word.isalpha():
            return begun
        near = [other for other in self._misspelt(word) if self._searcher.doc_freq("body", other)]
        return [one for other in near for one in self._term(_EXACT, other)]

    def _misspelt(self, word: str) -> Iterator[str]:
        """Words one letter apart, most of which are in no document.

        Tantivy's own search for them takes 20 ms in a dictionary of 60,000, and looking through all words with the
        first two letters 5: so the words with the first five are looked through, and others are made up.
        """
        sure = min(_FEW_BEGIN_WITH, len(word) - 1) if word.isascii() else _SURE_LETTERS
        for other, _ in self._searcher.terms_with_prefix("body", word[:sure]):
            if _one_letter_apart(word, other):
                yield other
        made = {other for at in range(_SURE_LETTERS, sure) for other in _changed(word, at)}
        yield from sorted(other for other in made if not other.startswith(word[:sure]))

    def _together(self, clause: Clause) -> list[Query]:
        """`2026.4.10`, `multi-agent`, `关键词`: what is written as one ranks higher where it stands as one."""
        words = _words(clause.text)
        return self._phrase(words) if clause.kind == "word" and 1 < len(words) <= ALL_FIRST_MAX else []

    def _neighbours(self, asked: Sequence[Clause]) -> list[Query]:
        """Words that follow each other in the query rank higher where they stand close together.

        Not in CJK runs, where pairs of characters overlap already: there it was worse on all three sets.
        """
        stems: list[list[str]] = []
        for clause in asked:
            tokens = [token for _, token in segment.tokens(clause.text)] if clause.kind == "word" else []
            stems += [[] if segment.is_cjk(token) else segment.loose_words(token)[:1] for token in tokens] or [[]]
        slop, weight = NEAR
        common = functools.cache(lambda stem: self._searcher.doc_freq("body_loose", stem))
        return [
            Query.boost_query(Query.phrase_query(self._schema, "body_loose", [*one, *next_], slop), weight)
            for one, next_ in itertools.pairwise(stems)
            if one and next_ and min(common(one[0]), common(next_[0])) <= _COMMON
        ]

    def _said(self, clause: Clause) -> list[Query]:
        """The clause to the letter: a phrase, a beginning, or an exact word. Matches nothing if it has no word."""
        words = _words(clause.text)
        if clause.kind == "prefix" and len(words) == 1:
            return self._beginning_with(words[0]) or [Query.empty_query()]
        if len(words) > 1:
            return self._phrase(words)
        # A lone CJK character stands inside runs, where only the loose reading has it.
        lone = [one for word in words if segment.is_cjk(word) for one in self._term(_LOOSE, word)]
        return [one for word in words for one in self._term(_EXACT, word)] + lone or [Query.empty_query()]

    def _phrase(self, words: list[str]) -> list[Query]:
        return [
            Query.boost_query(Query.phrase_query(self._schema, field, list(words)), WEIGHTS[field]) for field in _EXACT
        ]

    def _term(self, fields: Sequence[str], word: str) -> list[Query]:
        return [self._scored(field, word) for field in fields]

    def _scored(self, field: str, word: str) -> Query:
        return Query.boost_query(Query.term_query(self._schema, field, word), WEIGHTS[field])

    def _beginning_with(self, prefix: str) -> list[Query]:
        """The commonest words that begin like this, and no others: `a*` must not read the whole dictionary."""
        found = self._searcher.terms_with_prefix("body", prefix, limit=_PREFIX_TERMS)
        found += self._searcher.terms_with_prefix("title", prefix, limit=_PREFIX_TERMS)
        return [one for word in dict(found) for one in self._term(_EXACT, word)]


def coverage(score: float, worth: float) -> float:
    """How much of what a query's words are worth a score of `search` stands for: 0 to 1.

    1 is BM25 where each word stands in the text, again and again; a query about what is not there covers little.
    """
    return min(1.0, SATURATION * score / (1 - score) / ((_K1 + 1) * worth)) if score < 1 and worth else 1.0


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("id", stored=False, indexed=True, fast=True)
    builder.add_text_field("collection", tokenizer_name="raw", index_option="basic")
    for name in WEIGHTS:
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="position")
    return builder.build()


def _one_letter_apart(one: str, other: str) -> bool:
    """Whether a letter more, a letter less, another letter or two exchanged ones make them the same."""
    if abs(len(one) - len(other)) > 1:
        return False
    at = next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    rest, others = one[at:], other[at:]
    return (
        rest[1:] == others[1:]
        or rest[1:] == others
        or rest == others[1:]
        or (rest[:2] == others[1::-1] and rest[2:] == others[2:])
    )


def _changed(word: str, at: int) -> Iterator[str]:
    """The words that `word` becomes without the letter at `at`, with another there, with one more before it, and with
    it and the next one exchanged.
    """
    before, rest = word[:at], word[at:]
    yield before + rest[1:]
    yield before + rest[1::-1] + rest[2:]
    for letter in _LETTERS:
        yield before + letter + rest[1:]
        yield before + letter + rest


def _words(text: str) -> list[str]:
    return [word for _, token in segment.tokens(text) for word in segment.words(token)]


def _any(alternatives: Sequence[Query]) -> Query:
    return Query.boolean_query([(Occur.Should, one) for one in alternatives])


def _place(address: tantivy.DocAddress) -> tuple[int, int]:
    return address.segment_ord, address.doc
