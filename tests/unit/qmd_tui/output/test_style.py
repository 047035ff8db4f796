import io

import pytest

from qmd_tui.output.style import Style, style_of


def test_a_plain_style_leaves_text_alone() -> None:
    assert Style().bold("a") + Style().match("b") + Style().percent(0.5) == "ab50%"


@pytest.mark.parametrize(("score", "code"), [(0.7, "32"), (0.4, "33"), (0.39, "2")])
def test_the_color_of_a_score(score: float, code: str) -> None:
    assert Style(colored=True).percent(score).startswith(f"\x1b[{code}m")


def test_what_is_no_terminal_gets_no_colors() -> None:
    assert not style_of(io.StringIO()).colored


def test_a_link_on_a_terminal_and_plain_text_elsewhere() -> None:
    assert Style(colored=True).link("a", "file:///a") == "\x1b]8;;file:///a\x1b\\a\x1b]8;;\x1b\\"
    assert Style(colored=True).link("a", "") == Style().link("a", "file:///a") == "a"
