"""The flags of the full-screen UI, which is what `qmd` without a command is."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from qmd_tui.cli.parser import Parser


def read(argv: Sequence[str]) -> argparse.Namespace:
    """Raises QmdError("invalid") for anything else."""
    parser = Parser(prog="qmd", description="Search as you type.")
    parser.add_argument("--pick", action="store_true", help="print what is picked, instead of opening it")
    parser.add_argument("--linear", action="store_true", help="plain lines and prompts, for screen readers")
    parser.add_argument(
        "--connect", metavar="PLACE", default="", help="a daemon elsewhere: tcp://HOST:PORT, or rpc.sock"
    )
    parser.add_argument("--key", metavar="FILE", default="", help="the key for it (QMD_KEY, else client.key)")
    parser.add_argument("--index", metavar="NAME", default=None, help="another index than the default one")
    return parser.parse(argv)
