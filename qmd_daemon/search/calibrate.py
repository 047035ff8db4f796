"""How likely it is that a hit answers the query: a probability, which a rank or a score is not.

A logistic regression for each embedding model, on the cosine of the document's best chunk and the lexical score. That
of all-MiniLM-L6-v2 was fitted on the five English sets of `docs/quality.md`: the first ten hybrid hits of 700 of their
own questions and of 270 questions of another set, which nothing there answers (9,700 pairs, each set of equal
weight). Held out one set at a time, the area under the ROC curve is .86 to .98; of pairs called 0.2 to 0.4, 0.25 are
relevant, of 0.4 to 0.6, 0.55, of 0.6 to 0.8, 0.70.

Between collections it differs: of hits called 0.2 to 0.4, 0.10 (scientific claims) to 0.64 (an encyclopedia) are
relevant, and where documents are of many kinds, as on the sample notes, right answers get as little as 0.05, others
0.001 to 0.01.
"""

from __future__ import annotations

import math
from typing import NamedTuple

# The best hit is below this for 6 % of the questions that have an answer, and for 94 % of those that have none.
NOTHING = 0.03


class _Fit(NamedTuple):
    constant: float
    cosine: float
    lexical: float


_FITS = {"all-minilm-l6-v2": _Fit(-8.27, 6.67, 4.79)}


def known(model: str) -> bool:
    """Whether cosines of this model say how relevant a document is."""
    return _name(model) in _FITS


def relevance(model: str, cosine: float, lexical: float) -> float:
    """The probability that a document answers; `lexical` is its lexical score, 0 if it has none of the words.

    Raises KeyError for a model that is not `known`.
    """
    fit = _FITS[_name(model)]
    return 1 / (1 + math.exp(-(fit.constant + fit.cosine * cosine + fit.lexical * lexical)))


def _name(model: str) -> str:
    return model.rpartition("/")[2].lower()
