"""Rows of text: nothing is lost, nothing is too wide, matches stay on their characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from qmd_tui.widgets.text import clip, crop, fold, paint, shorten, shorten_left, strip, visible

# What breaks rows elsewhere: wide, combining and joined characters, between plain ones.
TEXT = st.text(alphabet="ab c,显存监控é\u0301\u200d\ufe0f❤👩💻ｗ界\u00a0\u3000", max_size=60).map(visible)
WIDTH = st.integers(2, 40)
RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=5)


@given(TEXT, WIDTH)
def test_rows_hold_the_whole_text_and_fit(text: str, width: int) -> None:
    rows = fold(text, width)
    assert "".join(text[a:b] for a, b in rows) == text
    assert all(cell_len(text[a:b].rstrip(" ")) <= width for a, b in rows)


@pytest.mark.parametrize(
    ("text", "width", "rows"),
    [
        ("", 10, [""]),
        ("short", 10, ["short"]),
        ("some words to fold", 10, ["some words ", "to fold"]),
        ("unbreakable", 4, ["unbr", "eaka", "ble"]),
        ("显存监控", 5, ["显存", "监控"]),
        ("e\u0301e\u0301e\u0301", 2, ["e\u0301e\u0301", "e\u0301"]),
        (" aaaaaaaaa界", 10, [" ", "aaaaaaaaa", "界"]),
    ],
)
def test_folding(text: str, width: int, rows: list[str]) -> None:
    assert [text[a:b] for a, b in fold(text, width)] == rows


@given(TEXT, st.integers(0, 40))
def test_what_is_shortened_fits_and_is_kept_where_it_fits(text: str, width: int) -> None:
    for cut in (shorten(text, width), shorten_left(text, width)):
        assert cell_len(cut) <= width
        assert (cut == text) == (cell_len(text) <= width) or not text


def test_shortening_says_where() -> None:
    assert shorten("显存监控", 5) == "显存…"
    assert shorten_left("notes/deep/file.md:7", 10) == "…file.md:7"


def test_what_is_visible_is_one_line_of_as_many_characters() -> None:
    assert visible("a\tb\x1b\n") == "a␉b␛␊"
    assert cell_len(visible("👩\u200d💻❤\ufe0f")) == 5


@given(TEXT, RANGES, WIDTH)
def test_a_crop_fits_and_keeps_matches_on_their_characters(
    text: str, ranges: list[tuple[int, int]], width: int
) -> None:
    matches = sorted(clip(ranges, (0, len(text))))
    shown, moved = crop(text, matches, width)
    assert cell_len(shown) <= width
    found = {text[a:b] for a, b in matches}
    for start, stop in moved:
        inner = shown[start:stop].strip("…")
        assert any(inner in part for part in found)


def test_a_crop_shows_the_first_match() -> None:
    text = "x" * 100 + " match " + "y" * 100
    shown, [(start, stop)] = crop(text, [(101, 106)], 30)
    assert shown[start:stop] == "match"
    assert shown.startswith("…")
    assert shown.endswith("…")


def test_a_crop_drops_the_indent() -> None:
    assert crop("    code", [(4, 8)], 30) == ("code", [(0, 4)])


@given(TEXT, RANGES)
def test_painting_changes_no_text(text: str, ranges: list[tuple[int, int]]) -> None:
    match = Style(bold=True)
    segments = paint(text, ranges, Style(), match)
    assert "".join(segment.text for segment in segments) == text
    bold = [index for index in range(len(text)) if any(a <= index < b for a, b in ranges)]
    shown = [bool(s.style and s.style.bold) for s in segments for _ in s.text]
    assert [index for index, is_bold in enumerate(shown) if is_bold] == bold


@given(TEXT, st.integers(1, 40))
def test_a_strip_has_its_width(text: str, width: int) -> None:
    row = strip(paint(text, [], Style(), Style()), width, Style())
    assert cell_len("".join(segment.text for segment in row)) == row.cell_length == width
