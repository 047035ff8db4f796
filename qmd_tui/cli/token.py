"""`qmd token`: who may ask over HTTP from elsewhere, or with less than everything."""

from __future__ import annotations

import argparse

from ipc.errors import QmdError
from ipc.paths import DEFAULT_INDEX, Paths
from qmd_tui.output import grants, streams


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make one; it is shown once")
    create.add_argument("--name", required=True, help="what it is called here, and in the log")
    add_limits(create)
    shown = actions.add_parser("list", help="those there are, and what they allow")
    shown.add_argument("--json", action="store_true", help="a JSON array, one object for each")
    revoke = actions.add_parser("revoke", help="refuse one from now on")
    revoke.add_argument("name", metavar="NAME", help="its name or id")


def add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--collections", metavar="A,B", default="", help="only these; none named: all")
    parser.add_argument("--read-only", action="store_true", help="it may ask, and start no job")
    parser.add_argument("--rate", metavar="N/s", default="", help="so many requests at most: 10/s, 300/m")
    parser.add_argument("--expires", metavar="SPAN", default="", help="refused after so long: 12h, 90d")


def limits(args: argparse.Namespace) -> dict[str, object]:
    """What `add_limits` has read, as the options of a grant. Raises QmdError("invalid") in a project."""
    from ipc import project

    index = args.index or DEFAULT_INDEX
    if project.is_local(index):
        raise QmdError("invalid", "A project's own index is for this machine alone.", "Name one with --index.")
    return {
        "index": index,
        "collections": [name.strip() for name in args.collections.split(",") if name.strip()],
        "read_only": args.read_only,
        "rate": args.rate,
        "expires": args.expires,
    }


def run(args: argparse.Namespace, paths: Paths) -> int:
    from qmd_daemon import offline

    if args.action == "create":
        options = limits(args)
        if args.collections:
            _check(paths, options)
        token = offline.create_token(paths, args.name, **options)
        streams.result(token)
        streams.say("It is kept nowhere: copy it now. Send it as `Authorization: Bearer TOKEN`.")
        return 0
    if args.action == "revoke":
        if not offline.revoke_grant(paths, args.name, "token"):
            raise QmdError("not_found", f"There is no token {args.name!r}.", "`qmd token list` shows them.")
        streams.result(f"revoked: {args.name}")
        return 0
    found = offline.granted(paths, "token")
    streams.result(grants.encode(found) if args.json else grants.text(found))
    return 0


def _check(paths: Paths, options: dict[str, object]) -> None:
    """A name with a mistake in it would let its holder see nothing, and nobody would know why."""
    from qmd_daemon import offline

    index, names = str(options["index"]), options["collections"]
    there = {one["name"] for one in offline.configured(paths, index=index)}
    for name in names if isinstance(names, list) else []:
        if name not in there:
            raise QmdError("not_found", f"Collection not found: {name}.", f"There are: {', '.join(sorted(there))}.")
