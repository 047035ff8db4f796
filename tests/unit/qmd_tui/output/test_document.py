from typing import Any

import pytest

from qmd_tui.output import document
from qmd_tui.output.style import Style


def reply(text: str, first_line: int = 1, total_lines: int = 9) -> dict[str, Any]:
    file = "qmd://fixtures/test1.md"
    return {"docid": "#a1b2c3", "file": file, "text": text, "first_line": first_line, "total_lines": total_lines}


def test_numbered_as_in_the_file() -> None:
    assert document.text(reply("five\nsix", first_line=5), Style()) == (
        "qmd://fixtures/test1.md #a1b2c3\n5: five\n6: six"
    )


def test_without_numbers() -> None:
    assert document.text(reply("five\n\nseven"), Style(), numbers=False).split("\n")[1:] == ["five", "", "seven"]


@pytest.mark.parametrize("numbers", [True, False])
def test_no_lines_at_all(numbers: bool) -> None:
    beyond = reply("", first_line=10)
    assert document.text(beyond, Style(), numbers=numbers) == "qmd://fixtures/test1.md #a1b2c3"


def test_an_empty_line_is_a_line() -> None:
    assert document.text(reply(""), Style()) == "qmd://fixtures/test1.md #a1b2c3\n1: "


def test_control_characters_are_shown() -> None:
    assert document.text(reply("a\tb\x1b[2J\r"), Style()).endswith("1: a\tb␛[2J␍")
