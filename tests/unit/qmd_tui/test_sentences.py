"""The daemon's sentences in Chinese: whole, with what changes in them, or else as they came."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ipc.errors import QmdError
from qmd_tui import language
from qmd_tui.sentences import translated
from qmd_tui.told import Spoken, error_text


@pytest.fixture(autouse=True)
def _chinese() -> Iterator[None]:
    language.use("zh_CN")
    yield
    language.use(language.ENGLISH)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("no model", "没有模型"),
        ("The query is empty.", "查询是空的。"),
        ("Collection not found: a.b.", "没有这个集合：a.b。"),
        (
            "The profile cpu suits this machine: its card has only 3.1 GB. Not downloaded: a, b. Fetch: qmd pull cpu",
            "配置 cpu 适合这台机器：它的显卡只有 3.1 GB。 尚未下载：a, b。下载：qmd pull cpu",
        ),
        ("The query is empty. And something new.", "The query is empty. And something new."),
        ("The query is emptyish.", "The query is emptyish."),
        ("There is no document {0.__class__}.", "没有文档 {0.__class__}。"),
        ("", ""),
    ],
)
def test_sentence_by_sentence(said: str, told: str) -> None:
    assert translated(said) == told


def test_in_english_all_is_as_it_was() -> None:
    language.use(language.ENGLISH)
    assert translated("Collection not found: a.b.") == "Collection not found: a.b."


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (QmdError("invalid", "The query is empty.", "Make them one."), "查询是空的。 请合成一行。"),
        (
            QmdError("no_model", "Something new.", "Write what you look for."),
            "没有安装这个模型。 Something new. 请写上要找的内容。",
        ),
        (Spoken("no_model", "说好了。"), "说好了。"),
    ],
)
def test_an_error_says_what_it_means_where_its_own_words_are_not_known(error: QmdError, told: str) -> None:
    assert error_text(error) == told
