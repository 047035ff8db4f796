"""`qmd check`: a line for each model. The daemon's code that knows them runs in a process of its own."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

from ipc.paths import Paths


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--download", action="store_true", help="fetch what is missing, or say how to")


def run(args: argparse.Namespace, _: Paths) -> NoReturn:
    """Exit code 0 when all are there, 3 when one is missing."""
    sys.stdout.flush()
    download = ["--download"] if args.download else []
    os.execv(sys.executable, [sys.executable, "-P", "-m", "qmd_daemon.weights.check", *download])  # noqa: S606 - no shell is the point
