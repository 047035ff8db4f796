"""From the command line to the app: settings, the way to the daemon, and what is printed after leaving."""

from __future__ import annotations

import os
import sys
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
    with _terminal_as_stdout():
        picked = app.run()
    for one in picked or []:
        streams.result(one)
    if app.return_code:
        return app.return_code
    return 1 if pick and not picked else 0


class _terminal_as_stdout:  # noqa: N801 - used as a function is
    """Textual measures the terminal through stdout and draws on stderr: in `vim $(qmd --pick)` they differ."""

    def __enter__(self) -> None:
        self._kept = -1
        if not os.isatty(1) and os.isatty(2):
            sys.stdout.flush()
            self._kept = os.dup(1)
            os.dup2(2, 1)

    def __exit__(self, *_: object) -> None:
        if self._kept >= 0:
            os.dup2(self._kept, 1)
            os.close(self._kept)
