"""A row of the list is as wide as the list, whatever a file is called and whatever stands in it."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from qmd_tui.app import QmdApp
from qmd_tui.screens.search import SearchScreen
from tests.tui.library import hit, screen_text, until

# What breaks rows elsewhere: emoji of several characters, flags, right-to-left, combining and wide ones, controls,
# overrides of direction, lone surrogates, what has no width, and names as an enemy chooses them.
HOSTILE = (
    "👩‍👩‍👧‍👦 family",
    "🇨🇳🇩🇪 flags",
    "👍🏽 skin",
    "❤️ heart ☎️",
    "שלום עולם",
    "مرحبا بالعالم",
    "a\u0301e\u0301 o\u0308\u0304\u0323",
    "ＦＵＬＬ　ｗｉｄｔｈ 显存监控",
    "한국어 조합 \u1112\u1161\u11ab",
    "\u202eevil\u202c \u2066isolated\u2069",
    "\x1b[31mred\x1b]0;title\x07 \x9b31m",
    "zero\u200bwidth\ufeff\u00ad",
    "tab\there\nand there\r\x85\u2028",
    "\ud800 half",
    "नमस्ते ไทย ျမန်မာ",
    "𝔉𝔯𝔞𝔨𝔱𝔲𝔯 𠜎𠜱",
    "[red]markup[/red] $HOME {0}",
    "Z̸̢a̵̛l̶̨g̴o̷" * 4,
)
# Overrides of direction, and what makes one of its neighbours: terminals disagree how wide that is.
ORDERS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200d\ufe0f\U0001f3fb\U0001f3fd\U0001f3ff"
TEXTS = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=40),
    st.lists(st.sampled_from(HOSTILE), max_size=4).map("".join),
    st.text(st.sampled_from("\u0301\u200d\ufe0f\u202e👩🇨显ש \t"), max_size=20),
)


def drawable(text: str) -> bool:
    """Whether no terminal takes any of it for an order: no control, override, surrogate or separator."""
    return not any(unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"} or one in ORDERS for one in text)


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12), (20, 6)])
async def test_a_row_is_never_broken(app: QmdApp, size: tuple[int, int]) -> None:
    async with app.run_test(size=size) as pilot:
        screen = app.screen
        assert isinstance(screen, SearchScreen)
        await until(pilot, lambda: "Type to search" in screen_text(pilot) or size[0] < 40)
        screen.query_one("#guide").display, screen.results.display = False, True
        await pilot.pause()

        @given(title=TEXTS, path=TEXTS, collection=TEXTS, snippet=TEXTS, data=st.data())
        @example(title="👩‍👩‍👧‍👦" * 30, path="שלום" * 30, collection="🇨🇳" * 9, snippet="a\u0301" * 99, data=None)
        def check(title: str, path: str, collection: str, snippet: str, data: Any) -> None:
            at = 0 if data is None else data.draw(st.integers(0, max(len(snippet) - 1, 0)))
            one = hit(0, title=title, path=path, collection=collection, snippet=snippet, matches=[(at, at + 2)],
                      modified_at=1.0, relevance=0.5)  # fmt: skip
            screen.results.show([one, hit(1)], follow=False)
            width = screen.results.scrollable_content_region.width
            for y in range(screen.results.row_lines):
                strip = screen.results.render_line(y)
                text = "".join(segment.text for segment in strip)
                assert strip.cell_length == width
                assert cell_len(text) == width
                assert drawable(text), ascii(text)

        check()
