from __future__ import annotations

from collections.abc import Iterator

import pytest

from ipc.errors import QmdError
from qmd_tui import language
from qmd_tui.told import error_text, phrase


@pytest.fixture(autouse=True)
def _english_again() -> Iterator[None]:
    yield
    language.use(language.ENGLISH)


@pytest.mark.parametrize(
    ("env", "code"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LC_MESSAGES": "zh_TW", "LANG": "en_US"}, "zh_CN"),
        ({"QMD_LANGUAGE": "zh", "LC_ALL": "C"}, "zh_CN"),
        ({"QMD_LANGUAGE": "en", "LC_ALL": "zh_CN"}, "en"),
    ],
)
def test_the_language_is_the_locales(env: dict[str, str], code: str) -> None:
    assert language.of_locale(env) == code


def test_an_unknown_language_is_english() -> None:
    language.use("tlh")
    assert language.current() == "en"
    assert language.trn("{count} result", "{count} results", 1) == "1 result"
    assert language.trn("{count} result", "{count} results", 1234) == "1,234 results"
    assert language.tr("") == ""


def test_every_language_follows_another() -> None:
    assert language.following("en") == "zh_CN"
    assert language.following("zh_CN") == "en"


def test_what_the_daemon_says_is_said_in_chinese_where_it_is_known() -> None:
    error = QmdError("no_model", "No \x1b model.", "Fetch one.")
    assert error_text(error) == "No ␛ model. Fetch one."
    language.use("zh_CN")
    assert phrase("no model") == "没有模型"
    assert phrase("something new") == "something new"
    assert error_text(error) == "没有安装这个模型。 No ␛ model. Fetch one."


def test_every_code_of_an_error_has_its_meaning() -> None:
    from ipc.errors import CODES
    from qmd_tui.told import _CODES

    assert set(CODES) == set(_CODES)
