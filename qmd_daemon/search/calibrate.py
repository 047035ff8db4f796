"""How likely it is that a hit answers the query: a probability, which a rank or a score is not.

Logistic regressions, fitted by `benchmarks/relevance.py` on the sets of `docs/quality.md`. One is on words: the lexical
score, and how much of the query it covers; another on the same for pairs of Chinese, Japanese and Korean characters;
and for an embedding model one on the words and on how far the cosine of the best passage is above what is usual for
the passages that were searched: .4 says much among notes of many kinds, and little among articles on one subject.

They were fitted on the first ten hits of whole sets, of some sixty documents of each, and of a mixture; for questions
in full, for a few of their words, and for questions that nothing there answers. Held out one set at a time, of the
hits that are given .2 to .4, .4 to .6, .6 to .8, and more, so many are relevant; and the area under the ROC curve:

    vectors and words     .23 .46 .62 .86   .89
    words                 .25 .44 .58 .77   .86
    pairs of characters   .25 .36 .42 .63   .89

Of a few words the judgments know one answer only, though others have them as well: for these alone, pairs of characters
that are given .8 or more are relevant in .48, for questions in full in .97.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from qmd_daemon.store.lexical import SATURATION

# The coefficients, after a constant.
_WORDS = (-5.13, 1.78)
_PAIRS = (-4.97, 2.46)
_NEAR = {"all-minilm-l6-v2": (-6.03, 6.46, 1.14)}
# Where the best hit has less than this, and none covers so much of the query, nothing seems relevant. With vectors so
# are 7 % of the questions that have an answer and 82 % of those that have none; by words 8 and 65 %; by pairs of
# characters 11 and 66 %.
NOTHING = 0.04
# From so much `LexicalReader.worth` on, words alone are judged by: two rare ones among thousands of documents, or a
# question. That a single word was found says too little.
TELLING = 6.0
_COVERED = 0.35


class Closeness(NamedTuple):
    """How near a document's best passage is to the query, by cosine, and what is `usual` for the passages that were
    searched: the mean of their cosines, and the standard deviation.
    """

    cosine: float
    usual: float
    spread: float


class Evidence(NamedTuple):
    """What speaks for a document: its lexical score and its `coverage`, both 0 to 1, and whether the words
    were `pairs` of Chinese, Japanese or Korean characters; and its closeness, where there are vectors. `telling`: so
    much was asked for that what is missing speaks against it.
    """

    score: float
    coverage: float
    pairs: bool = False
    telling: bool = True
    closeness: Closeness | None = None


NO_WORDS = Evidence(0.0, 0.0)


def known(model: str) -> bool:
    """Whether closeness by this model says how relevant a document is."""
    return _name(model) in _NEAR


def relevance(evidence: Evidence, model: str = "") -> float | None:
    """The probability that a document answers; by its words alone where it has no closeness.

    None for the closeness of a model that is not `known`.
    """
    if evidence.closeness is None:
        return probability(_PAIRS if evidence.pairs else _WORDS, words(evidence))
    if not known(model):
        return None
    return probability(_NEAR[_name(model)], near(evidence))


def nothing(judged: Iterable[tuple[float, Evidence | None]]) -> bool:
    """Whether none of some hits, by relevance and evidence, seems to answer. False where there are none."""
    hits = list(judged)
    return bool(hits) and all(relevance < NOTHING and not _has_the_words(evidence) for relevance, evidence in hits)


def _has_the_words(evidence: Evidence | None) -> bool:
    """Whether it has enough of what was asked for; of a word or two, any."""
    if evidence is None or not evidence.score:
        return False
    return evidence.coverage >= _COVERED or not evidence.telling


def words(evidence: Evidence) -> tuple[float, ...]:
    """What its words say: much where they are rare and hardly any is missing."""
    raw = SATURATION * evidence.score / max(1 - evidence.score, 1e-6)
    return (math.sqrt(evidence.coverage) * math.log1p(raw),)


def near(evidence: Evidence) -> tuple[float, ...]:
    """How far its closeness stands out, and what its words say."""
    closeness = evidence.closeness
    return (closeness.cosine - closeness.usual if closeness else 0.0, *words(evidence))


def probability(fit: Sequence[float], features: Sequence[float]) -> float:
    """Logistic regression: a constant, and a coefficient for each feature."""
    constant, *coefficients = fit
    return 1 / (1 + math.exp(-constant - sum(one * by for one, by in zip(coefficients, features, strict=True))))


def _name(model: str) -> str:
    return model.rpartition("/")[2].lower()
