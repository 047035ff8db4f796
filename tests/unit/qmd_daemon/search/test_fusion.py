from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.search import fusion
from qmd_daemon.search.fusion import Ranked

# Documents each once, with scores in descending order.
LIST = st.lists(st.integers(0, 30), unique=True, max_size=12).flatmap(
    lambda documents: st.lists(
        st.floats(0, 0.999, allow_nan=False), min_size=len(documents), max_size=len(documents)
    ).map(lambda scores: list(zip(documents, sorted(scores, reverse=True), strict=True)))
)
LISTS = st.lists(
    st.builds(Ranked, st.just("a"), LIST, st.sampled_from(["words", "meaning"]), st.floats(0.1, 3)),
    min_size=1,
    max_size=4,
)


class TestLaws:
    @given(LISTS)
    def test_every_document_once_and_scores_in_order_between_0_and_1(self, lists: list[Ranked]) -> None:
        fused = fusion.fuse(lists)
        assert {one.document for one in fused} == {document for ranked in lists for document, _ in ranked.items}
        assert len(fused) == len({one.document for one in fused})
        scores = [one.score for one in fused]
        assert scores == sorted(scores, reverse=True)
        assert all(0 < score <= 1 + 1e-9 for score in scores)

    @given(LISTS)
    def test_the_trace_adds_up(self, lists: list[Ranked]) -> None:
        for one in fusion.fuse(lists):
            assert one.score == pytest.approx(sum(part.share for part in one.parts))

    @given(LISTS)
    def test_the_rrf_terms_are_weight_over_k_plus_rank(self, lists: list[Ranked]) -> None:
        for one in fusion.fuse(lists):
            for part in one.parts:
                assert any(
                    part.rrf == pytest.approx(ranked.weight * fusion.WEIGHTS[ranked.kind] / (60 + part.rank))
                    for ranked in lists
                )

    @given(LIST, st.sampled_from(["words", "meaning"]))
    def test_one_list_keeps_its_order(self, items: list[tuple[int, float]], kind: str) -> None:
        fused = fusion.fuse([Ranked("a", items, kind)])  # type: ignore[arg-type]
        assert [one.document for one in fused] == [document for document, _ in items]

    @given(LIST)
    def test_two_equal_lists_are_as_one(self, items: list[tuple[int, float]]) -> None:
        once, twice = fusion.fuse([Ranked("a", items)]), fusion.fuse([Ranked("a", items), Ranked("b", items)])
        assert [one.document for one in once] == [one.document for one in twice]


class TestCases:
    def test_first_in_all_lists_is_1(self) -> None:
        fused = fusion.fuse([Ranked("l", [(1, 0.9), (2, 0.5)]), Ranked("v", [(1, 0.7), (3, 0.2)], "meaning")])
        assert fused[0].document == 1
        assert fused[0].score == pytest.approx(1.0)

    def test_what_stands_far_above_the_rest_wins_against_a_near_tie(self) -> None:
        words = Ranked("l", [(1, 0.9), (2, 0.3)])
        meaning = Ranked("v", [(2, 0.61), (1, 0.60), (3, 0.1)], "meaning")
        assert fusion.fuse([words, meaning])[0].document == 1

    def test_words_count_more_than_meaning(self) -> None:
        words, meaning = Ranked("l", [(1, 0.9)]), Ranked("v", [(2, 0.9)], "meaning")
        assert [one.document for one in fusion.fuse([meaning, words])] == [1, 2]

    def test_more_results_do_not_change_the_order_of_the_first(self) -> None:
        deep = [(number, 1 - number / 500) for number in range(400)]
        words = Ranked("l", [(150, 0.8), (30, 0.5)])
        short = fusion.fuse([words, Ranked("v", deep[:100], "meaning")])
        long = fusion.fuse([words, Ranked("v", deep, "meaning")])
        assert [one.document for one in short][:50] == [one.document for one in long][:50]

    def test_a_list_alone_keeps_its_scores(self) -> None:
        (only,) = fusion.alone("lexical", [(7, 0.4)])
        assert (only.document, only.score, only.parts[0].rank) == (7, 0.4, 1)
