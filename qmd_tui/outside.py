"""Other programs in our terminal: an editor or a pager has it to itself until it ends."""

from __future__ import annotations

import subprocess
from typing import Any

from textual.app import App, SuspendNotSupported

from ipc.errors import QmdError


def run(app: App[Any], command: list[str], what: str) -> None:
    """Give the terminal to the program until it ends; then everything is drawn anew. Raises QmdError."""
    try:
        with app.suspend():
            code = subprocess.run(command, check=False).returncode
    except SuspendNotSupported:
        raise QmdError("invalid", f"This terminal cannot be handed to the {what}.") from None
    except OSError as error:
        raise QmdError(
            "not_found", f"Cannot start {command[0]}: {error.strerror}.", f"Check ${what.upper()}."
        ) from None
    if code:
        raise QmdError("invalid", f"{command[0]} ended with exit code {code}.")
