"""`qmd keys`: who may ask over ZeroMQ from elsewhere."""

from __future__ import annotations

import argparse
import os

from ipc.paths import Paths
from qmd_tui.cli import granting
from qmd_tui.output import streams


def add_arguments(parser: argparse.ArgumentParser) -> None:
    create = granting.add_actions(parser, "make one, in a file to be brought to who is to have it")
    create.add_argument("--file", metavar="FILE", default="", help="where to write it (NAME.key)")


def run(args: argparse.Namespace, paths: Paths) -> int:
    if args.action != "create":
        return granting.run(args, paths, "key", "keys")
    from qmd_daemon import offline

    file = os.path.abspath(os.path.expanduser(args.file or f"{args.name}.key"))
    offline.create_key(paths, args.name, file, **granting.limits(args, paths))
    streams.result(file)
    streams.say("It is nowhere else. Bring it to the other machine: `qmd --connect tcp://HOST:PORT --key FILE`.")
    return 0
