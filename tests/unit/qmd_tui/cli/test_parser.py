import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.errors import QmdError
from qmd_tui.cli.parser import Parser, whole_number


def test_a_whole_number() -> None:
    assert whole_number("12") == 12


@given(st.text(max_size=4))
def test_anything_else_is_refused(text: str) -> None:
    try:
        assert whole_number(text) >= 1
    except argparse.ArgumentTypeError:
        assert not (text.isascii() and text.isdigit() and int(text) > 0)


def test_abbreviations_are_mistakes() -> None:
    parser = Parser(prog="qmd search")
    parser.add_argument("--explain", action="store_true")
    with pytest.raises(QmdError, match="unknown option '--expl'") as caught:
        parser.parse(["--expl"])
    assert caught.value.hint == "Did you mean --explain?"
    assert caught.value.exit_code == 2
