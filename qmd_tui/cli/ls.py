"""`qmd ls`: what is in the index, by collection or by directory. No daemon is asked."""

from __future__ import annotations

import argparse

from ipc.errors import QmdError
from ipc.paths import Paths
from qmd_tui.output import listing, streams
from qmd_tui.output.style import style_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "place", metavar="COLLECTION[/PATH]", nargs="?", default="", help="all collections, if left out"
    )
    parser.add_argument("--json", action="store_true", help="a JSON array")


def run(args: argparse.Namespace, paths: Paths) -> int:
    from qmd_daemon import offline

    place = args.place.removeprefix("qmd:").strip("/")
    found = (
        offline.entries(paths, args.place, index=args.index) if place else offline.collections(paths, index=args.index)
    )
    if place and not found:
        raise QmdError("not_found", f"There is nothing at {place!r}.", f"`qmd ls {place.partition('/')[0]}` lists all.")
    if args.json:
        from qmd_tui.output import rows

        streams.result(rows.encode(found))
    elif place:
        streams.result(listing.documents(found, style_of()))
    elif found:
        streams.heading("Collections:")
        streams.result(listing.collections(found, style_of()))
    return 0 if found else 1
