"""What can be set about the terminal UI, with plain defaults. Built once, handed down by constructor."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ipc.paths import DEFAULT_INDEX
from qmd_tui.theme import DARK, LIGHT


@dataclass(frozen=True)
class Settings:
    """Durations in seconds unless the name says otherwise."""

    index: str = DEFAULT_INDEX
    # Vectors are asked for once the typing has paused for so long: a pause that is felt as one.
    debounce_ms: int = 150
    top_k: int = 50
    # Lines fetched before and after the matching one; more are fetched when they are scrolled to.
    window_lines: int = 200
    # The daemon sends a GPU sample every second. After such a silence it is asked whether it lives.
    silence_s: float = 2.5
    ping_s: float = 2.0
    # How often the index may be asked about while a job changes it.
    report_every_s: float = 1.0
    retry_first_s: float = 0.5
    retry_most_s: float = 15.0
    # A command line, as in $EDITOR; "": look for a common one.
    editor: str = ""
    theme: str = DARK
    color: bool = True
    crash_file: str = os.devnull

    @classmethod
    def from_environment(
        cls, env: Mapping[str, str] = os.environ, *, index: str = DEFAULT_INDEX, crash_file: str = os.devnull
    ) -> Settings:
        """Read VISUAL, EDITOR, NO_COLOR, QMD_THEME and, for a light or dark terminal, COLORFGBG."""
        return cls(
            index=index,
            editor=env.get("VISUAL", "").strip() or env.get("EDITOR", "").strip(),
            theme=_theme(env),
            color=not env.get("NO_COLOR"),
            crash_file=crash_file,
        )


def _theme(env: Mapping[str, str]) -> str:
    """QMD_THEME: dark, light, or the name of one of Textual's. Else what the terminal says of its background."""
    named = env.get("QMD_THEME", "")
    if named:
        return {"dark": DARK, "light": LIGHT}.get(named, named)
    # "foreground;background" as numbers of the 16 colours; 7 and 15 are the whites. Few terminals set it.
    background = env.get("COLORFGBG", "").rpartition(";")[2]
    return LIGHT if background in {"7", "15"} else DARK
