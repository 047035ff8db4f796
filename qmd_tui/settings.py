"""What can be set about the terminal UI, with plain defaults. Built once, handed down by constructor."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from ipc.paths import DEFAULT_INDEX
from qmd_tui import language
from qmd_tui.theme import DARK, LIGHT, TERMINAL

if TYPE_CHECKING:
    from qmd_tui.configuration import TuiConfig


class Settings(Struct, frozen=True):
    """Durations in seconds unless the name says otherwise."""

    index: str = DEFAULT_INDEX
    # Models are asked once the typing has paused for so long: a pause that is felt as one.
    debounce_ms: int = 150
    # As many as a screen shows: each costs the daemon a snippet, at every key. More are asked for as one scrolls.
    top_k: int = 20
    # Lines fetched before and after the matching one; more are fetched when they are scrolled to.
    window_lines: int = 200
    # The daemon sends a GPU sample every second. After such a silence it is asked whether it lives.
    silence_s: float = 2.5
    ping_s: float = 2.0
    # How often the index may be asked about while a job changes it.
    report_every_s: float = 1.0
    retry_first_s: float = 0.5
    retry_most_s: float = 15.0
    # Command lines, as in $EDITOR and $PAGER; "": look for a common one.
    editor: str = ""
    pager: str = ""
    theme: str = DARK
    language: str = language.ENGLISH
    color: bool = True
    crash_file: str = os.devnull
    # Where queries are remembered; "": they are not.
    history_file: str = ""
    # Leave with what is picked, instead of opening it.
    pick: bool = False
    # Other keys than the usual, by the ids of qmd_tui.keys.
    keys: dict[str, str] = {}

    @classmethod
    def from_environment(
        cls,
        env: Mapping[str, str] = os.environ,
        *,
        index: str = DEFAULT_INDEX,
        state: str = "",
        config: TuiConfig | None = None,
        pick: bool = False,
    ) -> Settings:
        """Defaults < tui.toml < environment: VISUAL, EDITOR, PAGER, NO_COLOR, QMD_THEME, QMD_LANGUAGE, COLORFGBG.

        `state`: the directory of what is kept from one run to the next; "": nothing is.
        """
        remembers = bool(state) and (config is None or config.history)
        return cls(
            index=index,
            editor=env.get("VISUAL", "").strip() or env.get("EDITOR", "").strip(),
            pager=env.get("PAGER", "").strip(),
            theme=_theme(env, config.theme if config else ""),
            language=_language(env, config.language if config else ""),
            color=not env.get("NO_COLOR"),
            crash_file=os.path.join(state, "tui-crash.log") if state else os.devnull,
            history_file=os.path.join(state, "tui-history.json") if remembers else "",
            pick=pick,
            keys=dict(config.keys) if config else {},
        )


def _theme(env: Mapping[str, str], configured: str) -> str:
    """QMD_THEME: dark, light, terminal, or one of Textual's. Else what the terminal says of its background."""
    if named := env.get("QMD_THEME", "") or configured:
        return {"dark": DARK, "light": LIGHT, "terminal": TERMINAL}.get(named, named)
    # "foreground;background" as numbers of the 16 colours; 7 and 15 are the whites. Few terminals set it.
    background = env.get("COLORFGBG", "").rpartition(";")[2]
    return LIGHT if background in {"7", "15"} else DARK


def _language(env: Mapping[str, str], configured: str) -> str:
    if configured and not env.get("QMD_LANGUAGE"):
        return language.of_locale({"QMD_LANGUAGE": configured})
    return language.of_locale(env)
