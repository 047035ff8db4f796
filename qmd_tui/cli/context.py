"""`qmd context …`: what a person says about places, returned with what is found there."""

from __future__ import annotations

import argparse
import os

from ipc.errors import QmdError
from ipc.paths import Paths
from qmd_tui.output import streams

_PLACE = "a path, qmd://collection/path, or / for everywhere"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="say what lies at a place and below it")
    add.add_argument("words", metavar="[PLACE] TEXT", nargs="+", help=f"{_PLACE} (the working directory); then a text")
    found = actions.add_parser("list", help="what is said, and where")
    found.add_argument("--json", action="store_true", help="a JSON array of {place, text}")
    remove = actions.add_parser("rm", aliases=["remove"], help="take it back")
    remove.add_argument("place", metavar="PLACE", help=_PLACE)


def run(args: argparse.Namespace, paths: Paths) -> int:
    match args.action:
        case "add":
            return _add(args, paths)
        case "list":
            return _list(args, paths)
        case _:
            return _remove(args, paths)


def _add(args: argparse.Namespace, paths: Paths) -> int:
    from ipc.protocol import ContextAdd, PlaceReply
    from qmd_tui.cli import daemon

    place, text = args.words if len(args.words) == 2 else (".", args.words[0])
    if len(args.words) > 2 or not text.strip():
        raise QmdError("invalid", 'Usage: qmd context add [PLACE] "text"', "A text of several words is put in quotes.")
    with daemon.connect(paths) as client:
        reply = client.call(ContextAdd(place=_absolute(place), text=text, index=args.index), PlaceReply)
    streams.result("✓ Set global context" if reply.place == "/" else f"✓ Added context for: {reply.place}")
    return 0


def _list(args: argparse.Namespace, paths: Paths) -> int:
    from qmd_daemon import offline
    from qmd_tui.output import listing, rows
    from qmd_tui.output.style import style_of

    found = offline.contexts(paths, index=args.index)
    if args.json:
        streams.result(rows.encode([{"place": place, "text": text} for place, text in found]))
    elif found:
        streams.heading("Configured Contexts")
        streams.result(listing.contexts(found, style_of()))
    else:
        streams.say('no contexts are configured. Add one: `qmd context add [PLACE] "text"`.')
    return 0 if found else 1


def _remove(args: argparse.Namespace, paths: Paths) -> int:
    from ipc.protocol import ContextRemove, PlaceReply
    from qmd_tui.cli import daemon

    with daemon.connect(paths) as client:
        reply = client.call(ContextRemove(place=_absolute(args.place), index=args.index), PlaceReply)
    streams.result(f"✓ Removed context for: {reply.place}")
    return 0


def _absolute(place: str) -> str:
    """The daemon has another working directory. What is no path from here is left as an address."""
    if place == "/" or place.startswith(("qmd:", "//")):
        return place
    spot = os.path.abspath(os.path.expanduser(place))
    return spot if os.path.exists(spot) or place.startswith(("/", "~", ".")) else place
