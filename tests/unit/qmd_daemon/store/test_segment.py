from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.store import segment, variants

ANY = st.text(max_size=60)
MIXED = st.text(st.sampled_from("aBé_1.-/ +#显門がガﾊﾟ검Ａ　\n"), max_size=40)


class TestTokens:
    @given(ANY | MIXED)
    def test_every_token_stands_where_it_says(self, text: str) -> None:
        for at, token in segment.tokens(text):
            assert token
            assert text[at : at + len(token)] == token

    @given(ANY | MIXED)
    def test_tokens_do_not_overlap(self, text: str) -> None:
        end = 0
        for at, token in segment.tokens(text):
            assert at >= end
            end = at + len(token)

    @given(ANY | MIXED)
    def test_readings_are_the_words_of_the_tokens(self, text: str) -> None:
        exact, loose = segment.readings(text)
        tokens = [token for _, token in segment.tokens(text)]
        assert exact.split() == [word for token in tokens for word in segment.words(token)]
        assert loose.split() == [word for token in tokens for word in segment.loose_words(token)]

    def test_a_part_of_a_text_keeps_the_offsets_of_the_whole(self) -> None:
        assert list(segment.tokens("one two three", 4, 7)) == [(4, "two")]

    @pytest.mark.parametrize(
        ("text", "tokens"),
        [
            ("GPU显存监控", ["GPU", "显存监控"]),
            ("C++ and C# but not c+", ["C++", "and", "C#", "but", "not", "c"]),
            ("snake_case don't 2026.4.10", ["snake_case", "don", "t", "2026", "4", "10"]),
        ],
    )
    def test_words_and_runs(self, text: str, tokens: list[str]) -> None:
        assert [token for _, token in segment.tokens(text)] == tokens


class TestFold:
    @given(ANY | MIXED)
    def test_folding_twice_changes_nothing_more(self, text: str) -> None:
        assert segment.fold(segment.fold(text)) == segment.fold(text)

    @pytest.mark.parametrize(
        "forms",
        [
            ("cafe", "Café", "CAFÉ", "ｃａｆé"),
            ("资料库", "資料庫"),
            ("学习", "學習", "学習"),
            ("発", "發", "发"),
            ("たわー", "タワー", "ﾀﾜｰ"),
            ("がぎ", "ガギ", "ｶﾞｷﾞ"),
            ("strasse", "Straße"),
        ],
    )
    def test_spellings_of_one_word_are_one(self, forms: tuple[str, ...]) -> None:
        assert len({segment.fold(form) for form in forms}) == 1

    def test_marks_that_make_another_letter_stay(self) -> None:
        assert segment.fold("が") != segment.fold("か")
        assert segment.fold("й") == segment.fold("Й")


class TestWords:
    def test_a_run_is_its_overlapping_pairs_and_loosely_its_characters(self) -> None:
        assert segment.words("关键词") == ["关键", "键词"]
        assert segment.loose_words("关键词") == ["关", "键", "词"]

    def test_an_identifier_is_itself_and_loosely_its_parts(self) -> None:
        assert segment.words("HttpServerConfig") == ["httpserverconfig"]
        assert segment.loose_words("HttpServerConfig") == ["httpserverconfig", "http", "server", "config"]
        assert segment.loose_words("max_tokens") == ["max_tokens", "max", "token"]

    def test_english_is_stemmed_loosely_only(self) -> None:
        assert segment.words("Running") == ["running"]
        assert segment.loose_words("Running") == ["run"]

    def test_what_is_too_long_is_no_word(self) -> None:
        assert segment.words("a" * 81) == []
        assert segment.loose_words("a" * 81) == []


class TestVariants:
    def test_nothing_has_to_be_looked_up_twice(self) -> None:
        table = variants.table()
        assert len(table) > 3000
        assert not set(table) & set(table.values())

    @given(st.sampled_from(sorted(variants.table())))
    def test_a_character_is_among_the_spellings_of_the_one_that_stands_for_it(self, code: int) -> None:
        one = chr(variants.table()[code])
        assert {chr(code), one} <= set(variants.spellings(one))

    def test_a_character_without_variants_is_its_only_spelling(self) -> None:
        assert variants.spellings("人") == "人"
