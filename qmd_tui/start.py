"""From the command line to the app: settings, the way to the daemon, and what is printed after leaving."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from ipc.paths import DEFAULT_INDEX, Paths
from qmd_tui import configuration
from qmd_tui.app import QmdApp
from qmd_tui.attach import attach
from qmd_tui.output import streams
from qmd_tui.settings import Settings


def run(paths: Paths, *, index: str = DEFAULT_INDEX, pick: bool = False, place: str = "", key: str = "") -> int:
    """Show the terminal UI until the person leaves it. Returns the exit code. Raises QmdError.

    `pick`: it is left with what is picked, which goes to stdout, also where that is no terminal.
    `place`: where the daemon is, if it is not the one of this machine; `key`: the file of the key for it.
    """
    config = configuration.load(os.path.join(paths.config, "tui.toml"))
    settings = Settings.from_environment(index=index, state=paths.state, config=config, pick=pick)
    app = QmdApp(partial(attach, paths, place, key), settings)
    with _at_the_terminal():
        picked = app.run()
    for one in picked or []:
        streams.result(one)
    if app.return_code:
        return app.return_code
    return 1 if pick and not picked else 0


@contextmanager
def _at_the_terminal() -> Iterator[None]:
    """Textual reads from 0, measures 1 and draws on 2. Where one of them leads elsewhere, as 1 does in
    `vim $(qmd --pick)`, the terminal takes its place meanwhile.
    """
    kept: dict[int, int] = {}
    away = [number for number in range(3) if not os.isatty(number)]
    if away:
        sys.stdout.flush()
        terminal = _terminal()
        for number in away:
            kept[number] = os.dup(number)
            os.dup2(terminal, number)
        os.close(terminal)
    try:
        yield
    finally:
        for number, before in kept.items():
            os.dup2(before, number)
            os.close(before)


def _terminal() -> int:
    """A descriptor of the terminal that the person sits at. Raises OSError where there is none."""
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return os.dup(next((number for number in (2, 0) if os.isatty(number)), 2))
