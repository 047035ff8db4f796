"""`qmd collection add | list | remove`."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from ipc.paths import Paths
from qmd_tui.output import streams

if TYPE_CHECKING:  # `list` needs none of it
    from ipc.launch import Endpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="remember a directory, and index it")
    add.add_argument("path", metavar="PATH", help="the directory; `.` is the one you are in")
    add.add_argument("--name", default="", help="what to call it (the directory's name)")
    add.add_argument("--mask", "--glob", metavar="GLOB", default="", help="which files, such as '**/*.md,**/*.txt'")
    actions.add_parser("list", help="what is searched")
    remove = actions.add_parser("remove", aliases=["rm"], help="forget a directory; its files stay")
    remove.add_argument("name", metavar="NAME")


def run(args: argparse.Namespace, paths: Paths) -> int:
    return {"add": _add, "list": _list, "remove": _remove, "rm": _remove}[args.action](args, paths)


def _add(args: argparse.Namespace, paths: Paths) -> int:
    from ipc.protocol import CollectionAdd
    from qmd_tui.cli import daemon
    from qmd_tui.cli.follow import follow, report, start

    path = os.path.abspath(os.path.expanduser(args.path))  # the daemon has another working directory
    endpoint = daemon.ensure(paths)
    before = _names(endpoint, args.index)
    job = start(endpoint, CollectionAdd(path=path, name=args.name, mask=args.mask, index=args.index))
    # What a directory is called when nobody says is the daemon's to decide.
    for name in _names(endpoint, args.index) - before:
        streams.result(f"Collection {name!r} created successfully")
    return report(follow(endpoint, job))


def _names(endpoint: Endpoint, index: str) -> set[str]:
    from ipc.protocol import CollectionList, CollectionsReply
    from ipc.sync import SyncClient

    with SyncClient(endpoint.rpc) as client:
        found = client.call(CollectionList(index=index), CollectionsReply).collections
    return {collection.name for collection in found}


def _list(args: argparse.Namespace, paths: Paths) -> int:
    from qmd_daemon import offline
    from qmd_tui.output import status
    from qmd_tui.output.style import style_of

    found = offline.collections(paths, index=args.index)
    if not found:
        streams.say("there are no collections. Add one: `qmd collection add PATH`.")
        return 1
    streams.result(status.collections(found, style_of()))
    return 0


def _remove(args: argparse.Namespace, paths: Paths) -> int:
    from ipc.protocol import CollectionRemove, Done
    from qmd_tui.cli import daemon

    with daemon.connect(paths) as client:
        client.call(CollectionRemove(name=args.name, index=args.index), Done)
    streams.result(f"✓ Removed collection {args.name!r}")
    return 0
