"""The person's editor: which one it is, and how it is told the line."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable

from qmd_tui.language import tr
from qmd_tui.told import Spoken

# Tried in this order where neither VISUAL nor EDITOR is set. `editor` is Debian's own choice.
FALLBACKS = ("editor", "nano", "micro", "nvim", "vim", "vi", "emacs", "hx")
_PLUS = {"vi", "vim", "nvim", "view", "nano", "pico", "emacs", "emacsclient", "micro", "kak", "ne", "joe", "jed", "mg"}
_PLUS |= {"editor", "ed", "gvim", "gedit", "mcedit", "less", "more", "most"}
_GOTO = {"code", "code-insiders", "codium", "vscodium", "cursor", "windsurf"}
_COLON = {"hx", "helix", "subl", "sublime_text", "zed", "zeditor", "lapce"}


def command(editor: str, path: str, line: int, which: Callable[[str], str | None] = shutil.which) -> list[str]:
    """The arguments that open `path` at `line` (from 1). No shell is involved.

    `editor` is a command line as in $EDITOR; "" looks for a common one. An editor that we do not know gets
    the path alone. Raises QmdError("not_found") when there is none, "invalid" when its quotes do not match.
    """
    try:
        start = shlex.split(editor) or _installed(which)
    except ValueError as error:
        raise Spoken(
            "invalid", tr("$EDITOR cannot be read: {why}.").format(why=error), tr("Check its quotes.")
        ) from None
    name = os.path.basename(start[0])
    if name in _PLUS:
        return [*start, f"+{line}", path]
    if name in _GOTO:
        return [*start, "--goto", f"{path}:{line}"]
    if name in _COLON:
        return [*start, f"{path}:{line}"]
    return [*start, path]


def pager(configured: str, path: str, line: int, which: Callable[[str], str | None] = shutil.which) -> list[str]:
    """The arguments that page through `path` from `line` on. `configured`: as in $PAGER; "" is less, else more."""
    chosen = configured or next((name for name in ("less", "more") if which(name)), "")
    if not chosen:
        raise Spoken("not_found", tr("There is no pager."), tr("Set $PAGER to yours, such as `export PAGER=less`."))
    return command(chosen, path, line, which)


def _installed(which: Callable[[str], str | None]) -> list[str]:
    for name in FALLBACKS:
        if which(name):
            return [name]
    raise Spoken("not_found", tr("There is no editor."), tr("Set $EDITOR to yours, such as `export EDITOR=vim`."))
