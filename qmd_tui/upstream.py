"""What Textual does that a screen cannot live with that is open all day, put right. Each goes when Textual has it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from textual._styles_cache import StylesCache

if TYPE_CHECKING:
    from textual.color import Color
    from textual.style import Style


def mend() -> None:
    """Let widgets that are gone take with them what was drawn of them. Called again, it changes nothing.

    `StylesCache.get_inner_outer` remembers its last 1024 results by two colours, and by `self`, which it does not use:
    so the lines of 1024 widgets stay, some forty megabytes after a few hundred visits to other screens.
    """
    method = vars(StylesCache).get("get_inner_outer")
    if method is None or not hasattr(method, "cache_info"):
        return
    of_colors = method.__wrapped__

    @lru_cache(1024)
    def inner_outer(base: Color, background: Color) -> tuple[Style, Style]:
        found: tuple[Style, Style] = of_colors(None, base, background)
        return found

    setattr(StylesCache, "get_inner_outer", staticmethod(inner_outer))  # noqa: B010 - mypy: a method is not assigned to
