"""What a hit says about itself."""

from __future__ import annotations

import pytest

from qmd_tui.widgets.hit import age, first_match_line, lines, pattern, percent, place, snippet_line
from tests.tui.library import hit


def test_the_line_is_that_of_the_first_match() -> None:
    assert first_match_line(hit(1)) == 42
    assert first_match_line(hit(1, matches=[])) == 41
    assert place(hit(1)) == "notes/n1.md:42"
    assert lines(hit(1)) == (41, 42)


def test_the_snippet_line_is_the_first_that_matches() -> None:
    text, matches = snippet_line(hit(1))
    assert text == "the vector engine of document 1"
    assert [text[a:b] for a, b in matches] == ["vector"]


def test_without_matches_it_is_the_first_with_text() -> None:
    assert snippet_line(hit(1, snippet="\n \nfirst words\nmore", matches=[])) == ("first words", [])
    assert snippet_line(hit(1, snippet="", matches=[])) == ("", [])


def test_a_match_over_a_line_end_is_cut_there() -> None:
    assert snippet_line(hit(1, snippet="one two\nthree", matches=[(4, 11)])) == ("one two", [(4, 7)])


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-60, "now"),
        (59, "now"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86_400, "1 d"),
        (14 * 86_400 - 1, "13 d"),
        (14 * 86_400, "2 wk"),
        (70 * 86_400, "2 mo"),
        (729 * 86_400, "23 mo"),
        (731 * 86_400, "2 y"),
        (20_000 * 86_400, "54 y"),
    ],
)
def test_the_age_is_told_in_the_largest_unit_that_says_enough(seconds: float, told: str) -> None:
    assert age(hit(1, modified_at=2e9 - seconds), 2e9) == told


def test_an_age_that_nobody_knows_is_not_told() -> None:
    assert age(hit(1), 2e9) == ""


def test_a_relevance_counts_for_more_than_a_score() -> None:
    assert percent(hit(1, score=0.5)) == "50%"
    assert percent(hit(1, score=0.5, relevance=0.874)) == "0.50 · 87%"
    assert percent(hit(1, score=7.0)) == "100%"


@pytest.mark.parametrize(
    ("snippet", "matched", "text", "found"),
    [
        ("the Run", "Run", "run runs RUN rerun", ["run", "RUN"]),
        ("GPU显存监控", "显存", "看显存和GPU显存", ["显存", "显存"]),
        ("GPU显存监控", "GPU", "看GPU显存", ["GPU"]),
        ("a [x] b", "[x]", "[x] x", ["[x]"]),
    ],
)
def test_the_words_that_matched_are_found_elsewhere(snippet: str, matched: str, text: str, found: list[str]) -> None:
    start = snippet.index(matched)
    compiled = pattern(hit(1, snippet=snippet, matches=[(start, start + len(matched))]))
    assert compiled is not None
    assert compiled.findall(text) == found


def test_a_hit_by_meaning_has_no_words_to_find() -> None:
    assert pattern(hit(1, matches=[])) is None
