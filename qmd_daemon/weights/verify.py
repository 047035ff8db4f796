"""The self-tests of a model that was just converted: a broken one is refused before anything relies on it.

Scale-free on purpose: models place their similarities and scores differently (e5 from 0.7 to 1), but with each
of them what belongs together must come first among what does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ipc.errors import QmdError
from qmd_daemon.weights.entry import Entry

# By language, each with a paraphrase of it, and with one about something else. No two of one subject.
TRIPLES = {
    "en": (
        ("The cat sleeps on the sofa.", "A cat is napping on the couch.", "Interest rates rose in March."),
        ("How do I restart the server?", "Steps to reboot the machine", "A recipe for apple pie"),
        ("The function returns a sorted list.", "This method gives back the items in order.", "It rained in Paris."),
    ),
    "zh": (
        ("红烧肉怎么做？", "红烧肉的做法和调料", "火车票可以在网上退。"),
        ("会议推迟到下周一。", "开会的时间改到了下星期一。", "这种药一天吃两次。"),
        ("他的笔记本连不上无线网络。", "电脑无法连接 Wi-Fi。", "公园里的樱花开了。"),
    ),
}
# By language, questions and the passages that answer them, in order; and a passage that answers none.
QUESTIONS = {
    "en": (
        ("How tall is Mount Everest?", "When was Napoleon born?", "How do I boil an egg?"),
        (
            "Mount Everest is 8,849 metres high, more than any other mountain.",
            "Napoleon was born in Corsica on 15 August 1769.",
            "Put the egg into boiling water and cook it for eight minutes.",
            "The museum is closed on Mondays.",
        ),
    ),
    "zh": (
        ("珠穆朗玛峰有多高？", "怎么煮鸡蛋？", "图书馆几点关门？"),
        (
            "珠穆朗玛峰海拔8848.86米，是世界最高峰。",
            "把鸡蛋放进开水里煮八分钟就熟了。",
            "图书馆每天早上九点开门，晚上十点关门。",
            "昨天的足球比赛因为下雨取消了。",
        ),
    ),
}
QUERIES = {"en": ("restart the web server", "how to bake bread"), "zh": ("红烧肉的做法", "重启服务器")}
# How far what belongs together must be ahead: rounding in int8 is below it, a real model well above.
MARGIN = 0.01  # cosine; all-MiniLM-L6-v2 has 0.36 and more
SCORE_MARGIN = 0.05  # logits
_LINE = re.compile(r"(lex|vec|hyde):\s*(\S.*)")
_WORDS = re.compile(r"[一-鿿]{2}|[^\W_一-鿿]{4,}")


def languages(entry: Entry) -> list[str]:
    """Those of the tests that the model knows; English when it knows neither."""
    return [language for language in TRIPLES if entry.knows(language)] or ["en"]


def self_test(name: str, embed: Callable[[Sequence[str]], NDArray[np.float32]], known: Sequence[str] = ("en",)) -> None:
    """Embed fixed sentences in the languages `known`, and raise QmdError("unavailable") unless the vectors make sense.

    They must be finite and of length 1, the same for the same text in another batch, and each nearer to its
    paraphrase than to any other sentence.
    """
    triples = [triple for language in known for triple in TRIPLES[language]]
    texts = [text for triple in triples for text in triple]
    vectors = embed(texts)
    if not np.isfinite(vectors).all() or not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3):
        raise _broken(name, "its vectors are not of length 1")
    if float(vectors[0] @ embed(texts[:1])[0]) < 0.99:
        raise _broken(name, "it gives a text another vector in another batch")
    similarities = vectors @ vectors.T
    for first in range(0, len(texts), 3):
        others = np.delete(similarities[first], [first, first + 1])
        if similarities[first, first + 1] < others.max() + MARGIN:
            raise _broken(name, "a paraphrase is no nearer than another subject")


def reranker_test(
    name: str, score: Callable[[str, Sequence[str]], Sequence[float]], known: Sequence[str] = ("en",)
) -> None:
    """Score fixed passages for fixed questions, and raise QmdError("unavailable") unless answers come first.

    `score` returns a logit for each passage.
    """
    for language in known:
        questions, passages = QUESTIONS[language]
        for number, question in enumerate(questions):
            scores = np.asarray(score(question, passages), np.float64)
            if scores.shape != (len(passages),) or not np.isfinite(scores).all():
                raise _broken(name, "its scores are not numbers")
            if scores[number] < np.delete(scores, number).max() + SCORE_MARGIN:
                raise _broken(name, "an answer has no higher score than another subject")
    alone = score(questions[0], passages[:1])[0]
    together = score(questions[0], passages)[0]
    if abs(alone - together) > max(1.0, 0.1 * abs(together)):
        raise _broken(name, "it gives a passage another score in another batch")


def expansion_test(name: str, expand: Callable[[str], str], known: Sequence[str] = ("en",)) -> None:
    """Expand fixed queries, and raise QmdError("unavailable") unless it says typed lines about what was asked.

    `expand` returns lines of `lex:`, `vec:` and `hyde:`.
    """
    for language in known:
        near = 0
        for query in QUERIES[language]:
            answer = expand(query)
            if not lines(answer):
                raise _broken(name, "what it says is not made of typed lines")
            near += bool(_words(query) & _words(answer))
        # Other words are what it is for; but not only others, for every query.
        if not near:
            raise _broken(name, "what it says has nothing to do with the query")
    if expand(query) != answer:
        raise _broken(name, "it says something else to the same query")


def lines(answer: str) -> list[tuple[str, str]]:
    """The typed lines of an expansion, as (type, text); none when one of them is not."""
    found = [_LINE.fullmatch(line.strip()) for line in answer.strip().splitlines()]
    return [(match[1], match[2]) for match in found if match] if all(found) else []


def _words(text: str) -> set[str]:
    """Words of four letters and more, and every two neighbouring Chinese characters."""
    return {
        text.casefold()[at : match.end()] for at in range(len(text)) if (match := _WORDS.match(text.casefold(), at))
    }


def _broken(name: str, why: str) -> QmdError:
    return QmdError(
        "unavailable", f"The model {name} failed its self-test: {why}.", "Install or fetch its weights again."
    )
