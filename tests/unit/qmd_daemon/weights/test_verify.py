from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest

from ipc.errors import QmdError
from qmd_daemon.weights import catalog, verify
from qmd_daemon.weights.verify import QUESTIONS, TRIPLES, expansion_test, lines, reranker_test, self_test

DIMENSION = 64
ENGLISH, BOTH = ["en"], ["en", "zh"]
ALL = [triple for triples in TRIPLES.values() for triple in triples]


def place(text: str) -> tuple[int, int]:
    return next((n, triple.index(text)) for n, triple in enumerate(ALL) if text in triple)


def sensible(texts: Sequence[str]) -> np.ndarray:
    """Paraphrases in the same direction, everything else perpendicular."""
    vectors = np.zeros((len(texts), DIMENSION), np.float32)
    for vector, text in zip(vectors, texts, strict=True):
        number, position = place(text)
        vector[2 * number + (position == 2)] = 1
    return vectors


def crowded(texts: Sequence[str]) -> np.ndarray:
    """As e5 does it: nothing is far from anything."""
    vectors = sensible(texts) * 0.4
    vectors[:, -1] = 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def english_only(texts: Sequence[str]) -> np.ndarray:
    """All Chinese in one direction: as a model whose vocabulary has none."""
    vectors = sensible(texts)
    for vector, text in zip(vectors, texts, strict=True):
        if not text.isascii():
            vector[:] = 0
            vector[-1] = 1
    return vectors


def by_position(texts: Sequence[str]) -> np.ndarray:
    return np.roll(sensible(texts), len(texts), axis=1)


@pytest.mark.parametrize("embed", [sensible, crowded])
@pytest.mark.parametrize("known", [ENGLISH, BOTH], ids=["English", "both"])
def test_an_embedder_that_makes_sense_passes(known: list[str], embed: Callable[[Sequence[str]], np.ndarray]) -> None:
    self_test("m", embed, known)


def test_chinese_is_asked_of_who_knows_it() -> None:
    self_test("m", english_only)
    with pytest.raises(QmdError, match="paraphrase"):
        self_test("m", english_only, BOTH)


@pytest.mark.parametrize(
    ("embed", "reason"),
    [
        (lambda texts: sensible(texts) * np.nan, "length 1"),
        (lambda texts: sensible(texts) * 2, "length 1"),
        (lambda texts: np.eye(len(texts), DIMENSION, dtype=np.float32), "paraphrase"),
        (lambda texts: np.full((len(texts), DIMENSION), 0.125, np.float32), "paraphrase"),
        (by_position, "another batch"),
    ],
    ids=["nan", "too long", "noise", "constant", "depends on the batch"],
)
def test_a_broken_embedder_is_refused(embed: Callable[[Sequence[str]], np.ndarray], reason: str) -> None:
    with pytest.raises(QmdError, match=reason) as caught:
        self_test("m", embed)
    assert caught.value.code == "unavailable"


def right(question: str, passages: Sequence[str]) -> list[float]:
    questions, answers = next(pair for pair in QUESTIONS.values() if question in pair[0])
    return [2.0 if passage == answers[questions.index(question)] else -3.0 for passage in passages]


def test_a_reranker_that_makes_sense_passes() -> None:
    reranker_test("m", right, BOTH)


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        (lambda question, passages: [-s for s in right(question, passages)], "no higher score"),
        (lambda question, passages: [0.5] * len(passages), "no higher score"),
        (lambda question, passages: [float(len(passage)) for passage in passages], "no higher score"),
        (lambda question, passages: [float("nan")] * len(passages), "not numbers"),
        (lambda question, passages: [1.0], "not numbers"),
        (lambda question, passages: [s + 9 * len(passages) for s in right(question, passages)], "another batch"),
        (lambda question, passages: right(question, passages) if question.isascii() else [0.0] * 4, "no higher"),
    ],
    ids=["no above yes", "constant", "by length", "nan", "too few", "depends on the batch", "no Chinese"],
)
def test_a_broken_reranker_is_refused(score: Callable[[str, Sequence[str]], list[float]], reason: str) -> None:
    with pytest.raises(QmdError, match=reason) as caught:
        reranker_test("m", score, BOTH)
    assert caught.value.code == "unavailable"


ANSWERS = {
    "restart the web server": "lex: restart nginx service\nvec: how to restart a web server\n",
    "how to bake bread": "lex: bread dough oven\nhyde: Knead the dough and put it into the oven.",
    "红烧肉的做法": "lex: 红烧肉 五花肉\nvec: 怎么做红烧肉",
    "重启服务器": "lex: 重新启动 服务器",
}


def test_an_expander_that_makes_sense_passes() -> None:
    expansion_test("m", ANSWERS.__getitem__, BOTH)


def test_an_expander_that_says_another_thing_each_time() -> None:
    count = iter(range(100))
    with pytest.raises(QmdError, match="something else to the same query"):
        expansion_test("m", lambda query: f"{ANSWERS[query].strip()}\nvec: number {next(count)}", BOTH)


@pytest.mark.parametrize(
    ("expand", "reason"),
    [
        (lambda query: "", "not made of typed lines"),
        (lambda query: f"Sure! Here is: {query}", "not made of typed lines"),
        (lambda query: f"lex: {query}\nand more", "not made of typed lines"),
        (lambda query: "lex:\nvec:", "not made of typed lines"),
        (lambda query: "lex: zzzz zzzz zzzz", "nothing to do with"),
        (lambda query: ANSWERS[query] if query.isascii() else "lex: !!!!", "nothing to do with"),
    ],
    ids=["silence", "chat", "a plain line", "empty lines", "noise", "no Chinese"],
)
def test_a_broken_expander_is_refused(expand: Callable[[str], str], reason: str) -> None:
    with pytest.raises(QmdError, match=reason) as caught:
        expansion_test("m", expand, BOTH)
    assert caught.value.code == "unavailable"


def test_typed_lines() -> None:
    assert lines("lex: a b\n\n vec:c \nhyde: d") == []  # a blank line is not a typed one
    assert lines("\nlex: a b\n vec:c \nhyde: d\n") == [("lex", "a b"), ("vec", "c"), ("hyde", "d")]


@pytest.mark.parametrize(
    ("known", "tested"), [((), ["en", "zh"]), (("zh",), ["zh"]), (("en", "fr"), ["en"]), (("fr",), ["en"])]
)
def test_a_model_is_asked_in_the_languages_that_it_knows(known: tuple[str, ...], tested: list[str]) -> None:
    assert verify.languages(msgspec.structs.replace(catalog.get("bge-m3"), languages=known)) == tested
