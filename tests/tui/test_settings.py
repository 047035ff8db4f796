"""Settings come from the environment, with plain defaults."""

from __future__ import annotations

from qmd_tui.settings import Settings
from qmd_tui.theme import DARK, LIGHT


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_environment({}) == Settings()
    assert Settings().debounce_ms == 150


def test_visual_comes_before_editor() -> None:
    assert Settings.from_environment({"VISUAL": "emacs", "EDITOR": "vi"}).editor == "emacs"
    assert Settings.from_environment({"VISUAL": " ", "EDITOR": "vi"}).editor == "vi"


def test_the_theme() -> None:
    assert Settings.from_environment({"QMD_THEME": "light"}).theme == LIGHT
    assert Settings.from_environment({"QMD_THEME": "nord"}).theme == "nord"
    assert Settings.from_environment({"COLORFGBG": "0;15"}).theme == LIGHT
    assert Settings.from_environment({"COLORFGBG": "15;default;0"}).theme == DARK
    assert Settings.from_environment({"QMD_THEME": "dark", "COLORFGBG": "0;15"}).theme == DARK


def test_no_color() -> None:
    assert Settings.from_environment({}).color
    assert not Settings.from_environment({"NO_COLOR": "1"}).color
    assert Settings.from_environment({"NO_COLOR": ""}).color
