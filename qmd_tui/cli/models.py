"""`qmd models`: what there is of the models, and what becomes of them. The daemon's code that knows runs by itself."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

from ipc.paths import Paths

# ipc.protocol.Role, which is not imported here: what most of the actions do needs none of it.
ROLES = ("embedding", "reranker", "expansion")
LOAD_S = 600.0


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
    trial = actions.add_parser("test", help="convert where that is due, load, and hold against what they must do")
    trial.add_argument("names", metavar="MODEL", nargs="*", help="those that are used here, without any")
    for action, summary in (("load", "bring into memory"), ("unload", "take out of memory")):
        moving = actions.add_parser(action, help=summary)
        moving.add_argument("roles", metavar="ROLE", nargs="*", type=_role, help="all, without any")
        if action == "load":
            moving.add_argument("--keep-alive", metavar="TIME", help="such as 30m; -1: for ever")
    plan = actions.add_parser("plan", help="what fits on a card, before anything is downloaded")
    plan.add_argument("names", metavar="PROFILE", nargs="*")
    plan.add_argument("--vram", metavar="SIZE", default="", help="such as 4G (the largest card's)")
    plan.add_argument("--json", action="store_true", help="a JSON array")


def run(args: argparse.Namespace, paths: Paths) -> int:
    if args.action in {"load", "unload"}:
        return _move(args, paths)
    return _manage(args)


def _role(text: str) -> str:
    if text not in ROLES:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(ROLES)}")
    return text


def _move(args: argparse.Namespace, paths: Paths) -> int:
    """The daemon brings models into memory, or takes them out, and says where they are then."""
    import time

    from ipc.protocol import ModelsLoad, ModelsUnload
    from qmd_tui.cli import daemon
    from qmd_tui.output import models, streams
    from qmd_tui.output.style import style_of

    request: ModelsLoad | ModelsUnload
    if args.action == "load":
        request = ModelsLoad(roles=args.roles, keep_alive=args.keep_alive)
    else:
        request = ModelsUnload(roles=args.roles)
    with daemon.connect(paths) as client:
        # Loading may have to convert first.
        found = client.call_raw(request, timeout_s=LOAD_S)
    streams.result(models.text(found, style_of(), time.time()))
    return 0


def _manage(args: argparse.Namespace) -> NoReturn:
    """Become the process that does it."""
    action = "remove" if args.action == "rm" else args.action
    flags = ["--json"] if getattr(args, "json", False) else []
    flags += [f"--vram={args.vram}"] if getattr(args, "vram", "") else []
    words = [args.file] if "file" in args else []
    words += getattr(args, "names", [])
    if words:
        flags.append("--")  # what follows is none, even if it begins with a dash
    sys.stdout.flush()
    module = [f"qmd_daemon.{'engine.trial' if action == 'test' else 'weights.manage'}"]
    module += [] if action == "test" else [action]
    command = [sys.executable, "-P", "-m", *module, *flags, *words]
    os.execv(sys.executable, command)  # noqa: S606 - no shell is the point
