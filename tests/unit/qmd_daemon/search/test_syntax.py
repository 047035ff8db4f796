from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.errors import QmdError
from qmd_daemon.search import syntax
from qmd_daemon.store.lexical import Clause

PIECES = st.sampled_from(
    ["lex:", "vec:", "hyde:", "intent:", "expand:", '"', "-", "-x", "a*", "\n", " ", "显存", ":", "word"]
)


def words(query: str) -> list[Clause]:
    (lexical,) = syntax.parse(query).lexical
    return list(lexical.clauses)


def outcome(text: str) -> syntax.Parsed | QmdError:
    try:
        return syntax.parse(text)
    except QmdError as error:
        return error


@given(st.text(max_size=80) | st.lists(PIECES, max_size=12).map("".join))
def test_any_text_is_understood_or_refused_in_words(text: str) -> None:
    parsed = outcome(text)
    if isinstance(parsed, QmdError):
        assert (parsed.code, bool(parsed.message)) == ("invalid", True)
    else:
        assert parsed.lexical or parsed.vectors or parsed.passages


class TestPlain:
    def test_words_phrases_exclusions_and_beginnings(self) -> None:
        assert words('gpu "machine learning" -sports -"a b" auth*') == [
            Clause("gpu"),
            Clause("machine learning", "phrase"),
            Clause("sports", negated=True),
            Clause("a b", "phrase", negated=True),
            Clause("auth", "prefix"),
        ]

    @pytest.mark.parametrize("word", ["multi-agent", "2026.4.10", "C++", "CI/CD", "snake_case", "--no-rerank", "don't"])
    def test_what_is_written_as_one_is_one(self, word: str) -> None:
        assert words(word) == [Clause(word)]

    def test_stop_words_are_left_out_where_there_are_others(self) -> None:
        assert words("the budget of a search") == [Clause("budget"), Clause("search")]
        assert words("to be or not to be") == [Clause(word) for word in "to be or not to be".split()]

    def test_the_vector_is_of_the_whole_question_without_what_is_excluded(self) -> None:
        assert syntax.parse("how are batches formed -tests").vectors == ("how are batches formed",)

    @pytest.mark.parametrize("text", ["what is RRF", "如何 部署", "显存是什么？", "どこ にある"])
    def test_questions(self, text: str) -> None:
        assert syntax.parse(text).lexical[0].question

    def test_full_width_forms_mean_the_same(self) -> None:
        assert words("ｇｐｕ　－x") == words("gpu -x")

    def test_a_quote_without_its_partner_is_dropped(self) -> None:
        assert words('say "hello') == [Clause("say"), Clause("hello")]

    @pytest.mark.parametrize("text", ["", "  ", "\n"])
    def test_an_empty_query_is_refused(self, text: str) -> None:
        with pytest.raises(QmdError, match="empty"):
            syntax.parse(text)


class TestTyped:
    def test_lines_by_kind_in_order(self) -> None:
        parsed = syntax.parse("lex: a: b\nVEC: how\nhyde: An answer: this.\nlex: c\nintent: the daemon")
        assert [[clause.text for clause in one.clauses] for one in parsed.lexical] == [["a:", "b"], ["c"]]
        assert (parsed.vectors, parsed.passages) == (("how",), ("An answer: this.",))
        assert (parsed.intent, parsed.typed) == ("the daemon", True)

    def test_expand_alone_is_a_plain_query(self) -> None:
        assert syntax.parse("expand: fast search") == syntax.parse("fast search")

    @pytest.mark.parametrize(
        "text",
        [
            "lex: a\nplain",
            "lex:",
            "intent: alone",
            "lex: a\nintent: b\nintent: c",
            "expand: a\nlex: b",
            "vec: not -this",
        ],
    )
    def test_what_makes_no_sense_is_refused_with_a_hint(self, text: str) -> None:
        with pytest.raises(QmdError) as caught:
            syntax.parse(text)
        assert caught.value.code == "invalid"
        assert caught.value.hint

    def test_a_hyphen_inside_a_word_excludes_nothing(self) -> None:
        assert syntax.parse("vec: real-time search").vectors == ("real-time search",)
