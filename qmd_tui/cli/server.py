"""`qmd server`: becomes the daemon, in the foreground. For a person who watches, or a service manager."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

from ipc.paths import Paths


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=["ct2", "fake"], help="what computes vectors; `fake` needs no model")
    parser.add_argument("--http-port", metavar="PORT", help="the port on 127.0.0.1 (18765); 0: any that is free")
    parser.add_argument("--listen", metavar="ADDRESS", help="ZeroMQ for others, with keys: tcp://0.0.0.0:18766")
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"], help="what is logged (info)")


def run(args: argparse.Namespace, _: Paths) -> NoReturn:
    """The daemon's code is not imported here: this process becomes `python -m qmd_daemon`."""
    flags = {
        "--engine": args.engine,
        "--http-port": args.http_port,
        "--listen": args.listen,
        "--log-level": args.log_level,
    }
    given = [word for flag, value in flags.items() if value is not None for word in (flag, value)]
    sys.stdout.flush()
    # -P: the directory it starts in is no place to import from.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "qmd_daemon", *given])  # noqa: S606 - no shell is the point
