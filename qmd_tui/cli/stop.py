"""`qmd stop`."""

from __future__ import annotations

import argparse

from ipc.launch import stop_daemon
from ipc.paths import Paths
from qmd_tui.output import streams


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(_: argparse.Namespace, paths: Paths) -> int:
    """Waits until the daemon has let go of everything. That there is none is no failure."""
    streams.result("stopped" if stop_daemon(paths) else "not running")
    return 0
