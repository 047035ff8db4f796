from __future__ import annotations

import pytest

from qmd_daemon.search import meaning

ENGLISH = ("en",)


@pytest.mark.parametrize(
    "query",
    [
        "显存不足怎么办",
        "GPU显存监控",
        "検索の品質",
        "검색 품질",
        "качество поиска",
        "جودة البحث",
        "daemon 的启动流程",
    ],
)
def test_a_query_that_an_english_model_cannot_read(query: str) -> None:
    assert meaning.foreign(ENGLISH, query)


@pytest.mark.parametrize(
    "query",
    [
        "how are batches formed",
        "Wie viele Bälle fing Josh Norman ab?",
        "the role of α-synuclein in Parkinson's disease",
        "what is the English name of the 微信 messaging application",
        "2026.4.10",
    ],
)
def test_a_query_that_it_can(query: str) -> None:
    assert not meaning.foreign(ENGLISH, query)


def test_who_knows_a_language_knows_its_script() -> None:
    assert not meaning.foreign(("en", "zh"), "显存不足怎么办")
    assert meaning.foreign(("en", "zh"), "검색 품질")
    assert meaning.foreign(("en", "zh"), "これはなんですか")


def test_a_model_without_languages_knows_them_all() -> None:
    assert not meaning.foreign((), "검색 품질")
