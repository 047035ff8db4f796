"""`qmd collection …`: the directories that are searched. The daemon writes; what lists them reads the index itself."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from ipc.errors import QmdError
from ipc.paths import Paths
from qmd_tui.output import streams

if TYPE_CHECKING:  # `list` needs none of it
    from ipc.launch import Endpoint
    from ipc.protocol import Reply, Request


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="remember a directory, and index it")
    add.add_argument("path", metavar="PATH", nargs="?", default="", help="the directory; `.` is the one you are in")
    add.add_argument("--name", default="", help="what to call it (the directory's name)")
    add.add_argument("--mask", "--glob", metavar="GLOB", default="", help="which files, such as '**/*.md,**/*.txt'")
    found = actions.add_parser("list", help="what is searched")
    found.add_argument("--json", action="store_true", help="a JSON array")
    _named(actions.add_parser("remove", aliases=["rm"], help="forget a directory; its files stay"))
    rename = actions.add_parser("rename", aliases=["mv"], help="give it another name")
    _named(rename)
    rename.add_argument("new_name", metavar="NEW_NAME")
    show = actions.add_parser("show", aliases=["info"], help="all about one, as index.yml has it")
    _named(show)
    show.add_argument("--json", action="store_true", help="a JSON object")
    command = actions.add_parser("update-cmd", aliases=["set-update"], help="what `qmd update` runs in it beforehand")
    _named(command)
    command.add_argument("shell", metavar="COMMAND", nargs="?", default="", help="such as 'git pull'; none: remove it")
    _named(actions.add_parser("include", help="searches that name no collection have it"))
    _named(actions.add_parser("exclude", help="only searches that name it have it"))


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")


def run(args: argparse.Namespace, paths: Paths) -> int:
    match args.action:
        case "add":
            return _add(args, paths)
        case "list":
            return _list(args, paths)
        case "remove" | "rm":
            return _remove(args, paths)
        case "rename" | "mv":
            return _rename(args, paths)
        case "show" | "info":
            return _show(args, paths)
        case _:
            return _change(args, paths)


def _add(args: argparse.Namespace, paths: Paths) -> int:
    from ipc.protocol import CollectionAdd
    from qmd_tui.cli import daemon
    from qmd_tui.cli.follow import follow, report, start

    if not args.path:
        raise QmdError("invalid", "Usage: qmd collection add <path>", "Pass '.' to index the current directory.")
    path = os.path.abspath(os.path.expanduser(args.path))  # the daemon has another working directory
    endpoint = daemon.ensure(paths)
    before = set(_documents(endpoint, args.index))
    job = start(endpoint, CollectionAdd(path=path, name=args.name, mask=args.mask, index=args.index))
    # What a directory is called when nobody says is the daemon's to decide.
    for name in set(_documents(endpoint, args.index)) - before:
        streams.result(f"Collection {name!r} created successfully")
    return report(follow(endpoint, job))


def _documents(endpoint: Endpoint, index: str) -> dict[str, int]:
    """How many documents each collection has."""
    from ipc.protocol import CollectionList, CollectionsReply
    from ipc.sync import SyncClient

    with SyncClient(endpoint.rpc) as client:
        found = client.call(CollectionList(index=index), CollectionsReply).collections
    return {collection.name: collection.documents for collection in found}


def _list(args: argparse.Namespace, paths: Paths) -> int:
    from qmd_daemon import offline
    from qmd_tui.output import status
    from qmd_tui.output.style import style_of

    found = offline.collections(paths, index=args.index)
    if args.json:
        from qmd_tui.output import rows

        streams.result(rows.encode(found))
    elif found:
        streams.result(status.collections(found, style_of()))
    else:
        streams.say("there are no collections. Add one: `qmd collection add PATH`.")
    return 0 if found else 1


def _remove(args: argparse.Namespace, paths: Paths) -> int:
    from ipc.protocol import CollectionRemove
    from qmd_tui.cli import daemon

    count = _documents(daemon.ensure(paths), args.index).get(args.name, 0)
    _ask(paths, CollectionRemove(name=args.name, index=args.index))
    streams.result(f"✓ Removed collection {args.name!r}")
    streams.result(f"Deleted {count} document{'' if count == 1 else 's'} from the index; the files stay.")
    return 0


def _rename(args: argparse.Namespace, paths: Paths) -> int:
    from ipc.protocol import CollectionRename

    _ask(paths, CollectionRename(name=args.name, new_name=args.new_name, index=args.index))
    streams.result(f"✓ Renamed collection {args.name!r} to {args.new_name!r}")
    return 0


def _show(args: argparse.Namespace, paths: Paths) -> int:
    from qmd_daemon import offline
    from qmd_tui.output import status
    from qmd_tui.output.style import style_of

    found = offline.configured(paths, index=args.index)
    if (one := next((each for each in found if each["name"] == args.name), None)) is None:
        known = ", ".join(each["name"] for each in found)
        raise QmdError("not_found", f"Collection not found: {args.name}.", f"There are: {known}." if known else "")
    try:
        counted = {each["name"]: each["documents"] for each in offline.collections(paths, index=args.index)}
    except QmdError:  # index.yml is there, an index not yet
        counted = {}
    one["documents"] = counted.get(args.name, 0)
    if args.json:
        from qmd_tui.output import rows

        streams.result(rows.encode(one))
    else:
        streams.result(status.collection(one, style_of()))
    return 0


def _change(args: argparse.Namespace, paths: Paths) -> int:
    from ipc.protocol import CollectionChange

    if args.action in {"include", "exclude"}:
        included = args.action == "include"
        _ask(paths, CollectionChange(name=args.name, included=included, index=args.index))
        streams.result(f"✓ Collection {args.name!r} is {'included in' if included else 'excluded from'} all searches")
        return 0
    _ask(paths, CollectionChange(name=args.name, update=args.shell, index=args.index))
    done = f"Set update command for {args.name!r}: {args.shell}" if args.shell else f"Removed it from {args.name!r}"
    streams.result(f"✓ {done}")
    return 0


def _ask(paths: Paths, request: Request) -> Reply:
    from ipc.protocol import REPLIES
    from qmd_tui.cli import daemon

    with daemon.connect(paths) as client:
        return client.call(request, REPLIES[type(request)])
