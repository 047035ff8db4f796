"""`qmd models`: what there is of the models, and what becomes of them. The daemon's code that knows runs by itself."""

from __future__ import annotations

import argparse
import os
import sys

from ipc.paths import Paths


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="which there are, which are here, which are used (*)")
    listing.add_argument("--json", action="store_true", help="a JSON array")
    remove = actions.add_parser("remove", aliases=["rm"], help="take away what was fetched and converted")
    remove.add_argument("names", metavar="MODEL", nargs="+")
    exporting = actions.add_parser("export", help="write models to a file, for a machine without a network")
    exporting.add_argument("file", metavar="FILE")
    exporting.add_argument("names", metavar="MODEL", nargs="*", help="all that are here, without any")
    actions.add_parser("import", help="bring them in there").add_argument("file", metavar="FILE")
    plan = actions.add_parser("plan", help="what fits on a card, before anything is downloaded")
    plan.add_argument("names", metavar="PROFILE", nargs="*")
    plan.add_argument("--vram", metavar="SIZE", default="", help="such as 4G (the largest card's)")
    plan.add_argument("--json", action="store_true", help="a JSON array")


def run(args: argparse.Namespace, paths: Paths) -> int:
    return _manage(args)


def _manage(args: argparse.Namespace) -> int:
    """Become the process that does it."""
    action = "remove" if args.action == "rm" else args.action
    flags = ["--json"] if getattr(args, "json", False) else []
    flags += [f"--vram={args.vram}"] if getattr(args, "vram", "") else []
    words = [args.file] if "file" in args else []
    words += getattr(args, "names", [])
    if words:
        flags.append("--")  # what follows is none, even if it begins with a dash
    sys.stdout.flush()
    command = [sys.executable, "-P", "-m", "qmd_daemon.weights.manage", action, *flags, *words]
    os.execv(sys.executable, command)  # noqa: S606 - no shell is the point
