from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.search import snippets, syntax
from qmd_daemon.search.snippets import Snippet


def best(text: str, query: str) -> Snippet:
    return snippets.best(text, snippets.wanted(syntax.parse(query).lexical))


def marked(snippet: Snippet) -> list[str]:
    return [snippet.text[start:stop] for start, stop in snippet.matches]


TEXT = st.text(st.sampled_from("ab é\n.门門ｶﾞＡ-_"), max_size=200)


@given(TEXT, st.text(st.sampled_from("ab é门ガA*"), min_size=1, max_size=8).filter(str.strip))
def test_a_snippet_is_of_its_line_and_its_matches_lie_inside(text: str, query: str) -> None:
    snippet = best(text, query)
    end = 0
    for start, stop in snippet.matches:
        assert end <= start < stop <= len(snippet.text)
        end = stop
    lines = text.split("\n")
    assert 1 <= snippet.line <= len(lines)
    assert snippet.text.split("\n")[0].strip("…").rstrip() in lines[snippet.line - 1]


class TestPlace:
    def test_the_line_with_most_of_the_rare_words(self) -> None:
        text = "agent\nagent memory\nagent\nnothing"
        assert best(text, "agent memory").line == 2

    @pytest.mark.parametrize(
        ("text", "query", "match"),
        [
            ("一行\n顯示卡的顯存不足", "显存", "顯存"),
            ("一行\n显存不足", "顯存", "显存"),
            ("一行\n東京タワーの高さ", "たわー", "タワー"),
            ("line\nAt the Café", "cafe", "Café"),
            ("line\nHe was running", "run", "running"),
            ("line\nthe HttpServerConfig", "server", "HttpServerConfig"),
            ("line\nauthentication", "auth*", "authentication"),
            ("一行\n数据库索引", "数据*", "数据"),
            ("一行\nﾃﾞｰﾀﾍﾞｰｽ", "データベース", "ﾃﾞｰﾀﾍﾞｰｽ"),
            ("一行\n用ＧＰＵ加速", "gpu", "ＧＰＵ"),
        ],
    )
    def test_the_match_is_shown_as_it_is_written(self, text: str, query: str, match: str) -> None:
        snippet = best(text, query)
        assert snippet.line == 2
        assert marked(snippet) == [match]

    def test_the_best_line_also_in_another_script(self) -> None:
        text = "資料\n" * 5 + "資料庫索引\n資料"
        assert best(text, "资料库索引").line == 6

    def test_the_line_with_the_whole_word_before_one_with_a_piece_of_it(self) -> None:
        snippet = best("秦记\n寻秦\n\n《寻秦记》的流传\n秦记", "寻秦记")
        assert (snippet.line, marked(snippet)[0]) == (4, "寻秦记")

    def test_a_name_is_not_looked_for_by_its_single_letters(self) -> None:
        snippet = best("n = 1, h = 5\nH7N9\nthe H5N1 virus", "H5N1 virus")
        assert (snippet.line, marked(snippet)) == (3, ["H5N1", "virus"])

    def test_a_letter_that_is_asked_for_is_a_word_of_its_own(self) -> None:
        assert best("the thing that\na T cell", "t").line == 2
        assert best("class cc\nwritten in C\n", "C").line == 2

    def test_of_a_part_the_line_is_that_of_the_whole(self) -> None:
        text = "one\ntwo words\nthree\nfour words\n"
        asked = snippets.wanted(syntax.parse("words").lexical)
        part = snippets.best(text, asked, text.index("three"), len(text))
        assert (part.line, part.text[slice(*part.matches[0])]) == (4, "words")

    def test_without_a_match_the_first_line_that_says_something(self) -> None:
        assert best("---\n\n# Title\ntext", "zeppelin").line == 3

    def test_a_long_line_is_cut_round_the_match(self) -> None:
        snippet = best("x " * 400 + "needle" + " y" * 400, "needle")
        assert len(snippet.text) <= snippets.MAX_CHARS + 2
        assert marked(snippet) == ["needle"]
        assert (snippet.text[0], snippet.text[-1]) == ("…", "…")

    def test_a_long_text_is_searched_to_its_end(self) -> None:
        for before in (99_998, 99_999, 100_000, 250_000):
            snippet = best("，" * before + "显存不足", "显存")
            assert marked(snippet) == ["显存"]
        snippet = best("显卡\n" * 2000 + "顯存\n", "显卡显存")
        assert (snippet.line, marked(snippet)) == (2001, ["顯存"])

    @pytest.mark.parametrize(
        ("text", "query", "match"), [("the happy few", "happiness", "happy"), ("She is dying", "die", "dying")]
    )
    def test_a_form_that_begins_otherwise_is_a_match(self, text: str, query: str, match: str) -> None:
        assert marked(best(text, query)) == [match]

    def test_part_of_a_word_is_no_match(self) -> None:
        assert marked(best("generate\nthe rate", "rate")) == ["rate"]
