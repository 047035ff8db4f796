"""A screen that is left takes with it all that was made for it."""

from __future__ import annotations

import gc
from collections import Counter

import pytest
from textual._styles_cache import StylesCache
from textual.pilot import Pilot
from textual.timer import Timer
from textual.widget import Widget

from qmd_tui.app import QmdApp
from tests.tui.library import ask

# There and back, each from the search screen.
VISITS = {
    "collections": ("f3", "f3"),
    "models": ("f4", "f4"),
    "gpu": ("f5", "f5"),
    "log": ("f6", "f6"),
    "help": ("f1", "f1"),
    "palette": ("f2", "escape"),
    "recall": ("ctrl+r", "escape"),
    "explain": ("ctrl+e", "ctrl+e"),
    "markdown": ("ctrl+t", "ctrl+t"),
}
KINDS = (Widget, StylesCache, Timer)


def alive() -> Counter[str]:
    gc.collect()
    return Counter(kind.__name__ for found in gc.get_objects() for kind in KINDS if isinstance(found, kind))


async def visit(pilot: Pilot[None], keys: tuple[str, str]) -> None:
    """There and back, until no screen or message is left over."""
    screens = len(pilot.app.screen_stack)
    await pilot.press(*keys)
    while len(pilot.app.screen_stack) != screens:
        await pilot.pause()
    await pilot.pause()


@pytest.mark.parametrize("name", VISITS)
async def test_as_much_is_alive_after_a_visit_as_before(app: QmdApp, name: str) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "vector")
        await visit(pilot, VISITS[name])  # what is made once and kept is made
        before = alive()
        for _ in range(3):
            await visit(pilot, VISITS[name])
        for _ in range(20):  # what leaves is taken apart by messages of its own
            if alive() == before:
                break
            await pilot.pause(0.05)
        assert alive() == before
