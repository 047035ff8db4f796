from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.engine.model import Priority, Score
from qmd_daemon.search import judging, syntax
from qmd_daemon.search.hits import Found
from qmd_daemon.search.judging import Judging


class Model:
    name = "judge"
    unasked = True

    def __init__(self) -> None:
        self.read: list[str] = []

    async def rerank(
        self, query: str, documents: Sequence[str], *, priority: Priority, deadline_s: float | None
    ) -> Sequence[Score]:
        self.read += documents
        return [Score(1 / len(text), 0.0) for text in documents]


FOUND = st.lists(st.integers(0, 99), unique=True, min_size=1, max_size=30).map(
    lambda documents: [Found(document, 1 - place / 100) for place, document in enumerate(documents)]
)


class TestBlend:
    @given(FOUND, st.data())
    def test_nobody_is_lost_and_scores_are_in_order(self, found: list[Found], data: st.DataObject) -> None:
        judged = data.draw(st.integers(0, len(found)))
        probabilities = {one.document: data.draw(st.floats(0, 1)) for one in found[:judged]}
        blended = judging.blend(found, probabilities)
        assert {one.document for one in blended} == {one.document for one in found}
        scores = [one.score for one in blended]
        assert scores == sorted(scores, reverse=True)

    @given(FOUND, st.floats(0, 1))
    def test_a_judge_that_says_the_same_of_all_keeps_who_leads(self, found: list[Found], same: float) -> None:
        first = judging.blend(found[:3], {one.document: same for one in found[:3]})
        assert [one.document for one in first] == [one.document for one in found[:3]]

    def test_the_trace_adds_up(self) -> None:
        (one,) = judging.blend([Found(1, 0.8)], {1: 0.2})
        assert one.trust is not None
        assert one.score == pytest.approx(one.trust * 0.8 + (1 - one.trust) * 0.2)

    def test_a_later_document_that_answers_passes_those_that_do_not(self) -> None:
        found = [Found(number, 0.6 - number / 100) for number in range(12)]
        blended = judging.blend(found, {number: 1.0 if number == 11 else 0.0 for number in range(12)})
        assert blended[0].document == 11


class TestCache:
    def test_each_passage_is_read_once(self) -> None:
        model = Model()
        judge = Judging(model)
        ask = judge.probabilities
        first = asyncio.run(ask("q", ["a", "bb", "a"], Priority.INTERACTIVE, None))
        assert first == [1.0, 0.5, 1.0]
        assert judge.unknown("q", ["bb", "ccc"]) == 1
        assert asyncio.run(ask("q", ["ccc", "bb"], Priority.INTERACTIVE, None)) == [1 / 3, 0.5]
        assert model.read == ["a", "bb", "ccc"]

    def test_another_query_is_another_judgement(self) -> None:
        model = Model()
        judge = Judging(model)
        for query in ("q", "r"):
            asyncio.run(judge.probabilities(query, ["a"], Priority.INTERACTIVE, None))
        assert model.read == ["a", "a"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("max_tokens", True),
        ("HttpServerConfig", True),
        ("std::vec", True),
        ("src/store/segment.py", True),
        ("2026.4.10", True),
        ('"exact words"', True),
        ("E0308 error", True),
        ("how does max_tokens work", False),
        ("machine learning", False),
        ("显存监控", False),
        ("what limits the number of tokens in max_tokens", False),
    ],
)
def test_queries_that_name_things(query: str, names: bool) -> None:
    assert judging.names_things(syntax.parse(query)) is names


@pytest.mark.parametrize(
    ("query", "intent", "asked"),
    [
        ("fast search -slow", "", "fast search"),
        ("fast search", "the daemon", "the daemon\n\nfast search"),
        ("lex: one two\nvec: how", "", "one two"),
        ("vec: how\nhyde: so", "", "how"),
        ("hyde: so it is", "", "so it is"),
    ],
)
def test_what_the_model_is_asked(query: str, intent: str, asked: str) -> None:
    assert judging.question(syntax.parse(query), intent) == asked
