"""The colours: one dark and one light theme. Accent marks what matched, primary what is selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.theme import Theme

DARK = "qmd-dark"
LIGHT = "qmd-light"
# The sixteen colours of the terminal itself, whatever they are; Textual's own.
TERMINAL = "ansi-dark"
# What one key goes through.
CYCLE = (DARK, LIGHT, TERMINAL)


def themes() -> tuple[Theme, Theme]:
    from textual.theme import Theme

    dark = Theme(
        name=DARK,
        primary="#7aa2f7",
        secondary="#8a93a8",
        accent="#e5b567",
        success="#8fbf7f",
        warning="#e0a05a",
        error="#e06c75",
        foreground="#d3d7e0",
        background="#16181d",
        surface="#1c1f26",
        panel="#2a2f3a",
    )
    light = Theme(
        name=LIGHT,
        primary="#2f5fb3",
        secondary="#6a7080",
        accent="#9a5b00",
        success="#3b7a2a",
        warning="#a35a00",
        error="#b3262f",
        foreground="#23262d",
        background="#fbfbf9",
        surface="#f2f2ee",
        panel="#dfe3ea",
        dark=False,
    )
    return dark, light
