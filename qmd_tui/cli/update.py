"""`qmd update` and `qmd embed`: jobs of the daemon, which is the only one who writes to an index."""

from __future__ import annotations

import argparse

from ipc.paths import Paths
from ipc.protocol import EmbedIndex, Update
from qmd_tui.cli import daemon
from qmd_tui.cli.follow import report, run_job


def add_arguments(parser: argparse.ArgumentParser) -> None:
    if parser.get_default("command") == "embed":
        parser.add_argument("-f", "--force", action="store_true", help="make all vectors anew")
    else:
        parser.add_argument("-c", "--collection", metavar="NAME", action="append", default=[], help="only; repeatable")


def run(args: argparse.Namespace, paths: Paths) -> int:
    request: Update | EmbedIndex
    if args.command == "embed":
        request = EmbedIndex(index=args.index, force=args.force)
    else:
        request = Update(index=args.index, collections=args.collection)
    return report(run_job(daemon.ensure(paths), request))
