"""The flags of the full-screen UI, which is what `qmd` without a command is."""

from __future__ import annotations

import os
from collections.abc import Sequence

from msgspec import Struct


class Flags(Struct):
    """What was asked for; `index` is None where the line names none."""

    pick: bool = False
    linear: bool = False
    connect: str = ""
    key: str = ""
    index: str | None = None


def read(argv: Sequence[str]) -> Flags:
    """Raises QmdError("invalid") for anything else."""
    if not argv:
        return Flags()
    from qmd_tui.cli.parser import Parser  # argparse: nothing that `qmd` alone waits for

    parser = Parser(prog="qmd", description="Search as you type.")
    parser.add_argument("--pick", action="store_true", help="print what is picked, instead of opening it")
    parser.add_argument("--linear", action="store_true", help="plain lines and prompts, for screen readers")
    parser.add_argument(
        "--connect", metavar="PLACE", default="", help="a daemon elsewhere: tcp://HOST:PORT, or rpc.sock"
    )
    parser.add_argument("--key", metavar="FILE", default="", help="the key for it (QMD_KEY, else client.key)")
    parser.add_argument("--index", metavar="NAME", default=None, help="another index than the default one")
    return Flags(**vars(parser.parse(argv)))


def terminal_for(wanted: Flags) -> bool:
    """Whether there is a terminal to draw on. What is picked may go to a pipe, and complaints to a file."""
    if os.isatty(0) and os.isatty(2 if wanted.pick else 1):
        return True
    if not wanted.pick:
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
