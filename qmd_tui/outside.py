"""Other programs in our terminal: an editor or a pager has it to itself until it ends."""

from __future__ import annotations

import subprocess
from typing import Any

from textual.app import App, SuspendNotSupported

from qmd_tui.language import tr
from qmd_tui.told import Spoken


def run(app: App[Any], command: list[str], what: str) -> None:
    """Give the terminal to the program until it ends; then everything is drawn anew. Raises Spoken."""
    try:
        with app.suspend():
            code = subprocess.run(command, check=False).returncode
    except SuspendNotSupported:
        raise Spoken("invalid", tr("This terminal cannot be handed to another program.")) from None
    except OSError as error:
        raise cannot_start(command[0], error, f"${what.upper()}") from None
    if code:
        told = tr("{program} ended with exit code {code}.")
        raise Spoken("invalid", told.format(program=command[0], code=code))


def cannot_start(program: str, error: OSError, variable: str) -> Spoken:
    """`variable` is where the person has named it."""
    told = tr("Cannot start {program}: {why}.").format(program=program, why=error.strerror)
    return Spoken("not_found", told, tr("Check {variable}.").format(variable=variable))
