import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_tui.output import safe

# Any character at all, with those that matter drawn often.
HOSTILE = st.one_of(
    st.characters(codec=None, exclude_categories=[]),
    st.characters(max_codepoint=0x9F, categories=["Cc"]),
    st.sampled_from("\u202e\u202d\u2066\u2069\u200f\u2028\u061c\ud800\udcff"),
)
TEXT = st.text(HOSTILE)
DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def is_harmless(character: str) -> bool:
    category = unicodedata.category(character)
    return category not in {"Cc", "Cs", "Zl", "Zp"} and unicodedata.bidirectional(character) not in DIRECTIONS


@given(TEXT)
def test_a_line_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    shown = safe.line(text)
    assert all(map(is_harmless, shown))
    shown.encode()  # no halves of surrogate pairs, which stdout would refuse


@given(TEXT)
def test_a_block_keeps_line_feeds_and_tabs_and_nothing_else(text: str) -> None:
    shown = safe.block(text)
    assert all(is_harmless(character) or character in "\n\t" for character in shown)
    assert [i for i, c in enumerate(shown) if c in "\n\t"] == [i for i, c in enumerate(text) if c in "\n\t"]


@given(TEXT)
def test_offsets_stay_right_and_harmless_characters_stay_themselves(text: str) -> None:
    for make_safe in (safe.line, safe.block):
        shown = make_safe(text)
        assert len(shown) == len(text)
        marks = "\u200e\u200f\u061c"
        assert all(a == b for a, b in zip(text, shown, strict=True) if is_harmless(a) and a not in marks)
        assert make_safe(shown) == shown


@given(st.recursive(TEXT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)))
def test_json_is_harmless_and_says_the_same(value: object) -> None:
    encoded = safe.json_text(json.dumps(value, ensure_ascii=False, indent=1))
    assert all(is_harmless(character) or character == "\n" for character in encoded)
    assert json.loads(encoded) == json.loads(json.dumps(value))


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b]0;pwned\x07", "␛]0;pwned␇"),
        ("\x9b31mred", "\ufffd31mred"),
        ("a\r\nb", "a␍␊b"),
        ("exe.\u202etxt", "exe.\ufffdtxt"),
        ("\x7f\x00", "␡␀"),
        ("中文，ＧＰＵ 👩‍💻", "中文，ＧＰＵ 👩‍💻"),
    ],
)
def test_line(hostile: str, shown: str) -> None:
    assert safe.line(hostile) == shown
