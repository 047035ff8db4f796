from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from qmd_tui.output import hits
from qmd_tui.output.style import Style

PLAIN = Style()
COLORED = Style(colored=True)


def hit(**fields: Any) -> dict[str, Any]:
    return {
        "docid": "#a1b2c3",
        "file": "qmd://notes/gpu/显存.md",
        "collection": "notes",
        "path": "gpu/显存.md",
        "title": "GPU显存监控",
        "line": 9,
        "score": 0.873,
        "snippet": "看显存占用\n告警规则\n",
        "matches": [[1, 3]],
        "context": "",
        "relevance": None,
        "explain": None,
    } | fields


def test_a_hit() -> None:
    assert hits.text([hit(context="Notes about\nmachines")], PLAIN) == (
        "qmd://notes/gpu/显存.md:9 #a1b2c3 87%\n"
        "GPU显存监控\n"
        "Context: Notes about machines\n"
        "   9 │ 看显存占用\n"
        "  10 │ 告警规则"
    )


def test_an_empty_line_between_two_hits() -> None:
    assert hits.text([hit(), hit()], PLAIN).count("\n\n") == 1


def test_a_hit_without_a_snippet_is_its_address_and_title() -> None:
    assert len(hits.text([hit(snippet="", matches=[])], PLAIN).split("\n")) == 2


def test_matches_are_marked_on_a_terminal() -> None:
    shown = hits.text([hit(snippet="看显存占用\n显存", matches=[[1, 3], [6, 8]])], COLORED)
    assert "看\x1b[1;33m显存\x1b[0m占用" in shown
    assert "\x1b[0m \x1b[1;33m显存\x1b[0m" in shown


def test_a_match_over_a_line_end_is_marked_on_both_lines() -> None:
    shown = hits.text([hit(snippet="ab\ncd", matches=[[1, 4]])], COLORED)
    assert "a\x1b[1;33mb\x1b[0m" in shown
    assert "\x1b[1;33mc\x1b[0md" in shown


def test_what_a_file_holds_does_not_reach_the_terminal() -> None:
    hostile = "\x1b]0;x\x07\u202e"
    shown = hits.text([hit(snippet=hostile, title=hostile, context=hostile, file=f"qmd://n/{hostile}")], PLAIN)
    assert not set(hostile) - set("]0;x") & set(shown)


def test_explain_names_each_list() -> None:
    explain = {
        "contributions": [{"list": "lexical", "rank": 2, "score": 7.5, "rrf": 0.0161}],
        "matched_terms": ["显存", "gpu"],
    }
    shown = hits.text([hit(explain=explain)], PLAIN)
    assert "explain: lexical rank 2, score 7.500, RRF 0.0161" in shown
    assert "explain: matched 显存 gpu" in shown
    assert "cover" not in shown


def test_explain_tells_what_relevance_was_judged_by() -> None:
    shown = hits.text([hit(explain={"coverage": 0.43, "cosine": None})], PLAIN)
    assert "explain: words cover 43%\n" in shown + "\n"
    near = {"coverage": 0.0, "cosine": 0.52, "usual_cosine": 0.11, "spread": 0.08}
    assert "explain: words cover 0%; cosine 0.520, usually 0.110 ± 0.080" in hits.text([hit(explain=near)], PLAIN)


def test_relevance_is_shown_where_there_is_one() -> None:
    assert "87% (relevance 42%)" in hits.text([hit(relevance=0.42)], PLAIN)


def test_stages_say_what_ran_and_why_one_did_not() -> None:
    stages = [
        {"name": "lexical", "ran": True, "ms": 1.234, "count": 20, "reason": ""},
        {"name": "vector", "ran": False, "ms": 0.0, "count": 0, "reason": "no model"},
        {"name": "rerank", "ran": False, "ms": 0.0, "count": 0, "reason": ""},
    ]
    assert hits.stages(stages) == ("lexical 20 in 1.2 ms · vector: left out (no model) · rerank: left out (not needed)")


@given(
    st.text(st.sampled_from("ab中\n\x1b")),
    st.lists(st.tuples(st.integers(-2, 30), st.integers(-2, 30)), max_size=4),
)
def test_marking_changes_no_text_whatever_the_ranges(snippet: str, matches: list[tuple[int, int]]) -> None:
    marked = hits.text([hit(snippet=snippet, matches=matches)], COLORED)
    plain = hits.text([hit(snippet=snippet, matches=matches)], PLAIN)
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[36m", "\x1b[32m", "\x1b[1;33m"):
        marked = marked.replace(code, "")
    assert [line.rstrip() for line in marked.split("\n")] == plain.split("\n")
