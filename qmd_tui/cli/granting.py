"""What `qmd token` and `qmd keys` have in common: limits, the list of what was granted, and taking it back."""

from __future__ import annotations

import argparse
from typing import Any, Literal

from ipc.errors import QmdError
from ipc.paths import DEFAULT_INDEX, Paths
from qmd_tui.output import grants, streams


def add_actions(parser: argparse.ArgumentParser, made: str) -> argparse.ArgumentParser:
    """`create` with its limits, `list` and `revoke`; returns the parser of `create`. `made`: what that does."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help=made)
    create.add_argument("--name", required=True, help="what it is called here, and in the log")
    create.add_argument("--collections", metavar="A,B", default="", help="only these; none named: all")
    create.add_argument("--read-only", action="store_true", help="it may ask, and start no job")
    create.add_argument("--rate", metavar="N/s", default="", help="so many requests at most: 10/s, 300/m")
    create.add_argument("--expires", metavar="SPAN", default="", help="refused after so long: 12h, 90d")
    shown = actions.add_parser("list", help="those there are, and what they allow")
    shown.add_argument("--json", action="store_true", help="a JSON array, one object for each")
    revoke = actions.add_parser("revoke", help="refuse one from now on")
    revoke.add_argument("name", metavar="NAME", help="its name or id")
    return create


def limits(args: argparse.Namespace, paths: Paths) -> dict[str, Any]:
    """What was given to `create`, as the options of a grant. Raises QmdError: invalid, or not_found (a collection)."""
    from ipc import project

    index = args.index or DEFAULT_INDEX
    if project.is_local(index):
        raise QmdError("invalid", "A project's own index is for this machine alone.", "Name one with --index.")
    collections = [name.strip() for name in args.collections.split(",") if name.strip()]
    if collections:
        _check(paths, index, collections)
    return {
        "index": index,
        "collections": collections,
        "read_only": args.read_only,
        "rate": args.rate,
        "expires": args.expires,
    }


def run(args: argparse.Namespace, paths: Paths, kind: Literal["token", "key"], command: str) -> int:
    """`list` or `revoke`. Raises QmdError("not_found") when there is none of that name."""
    from qmd_daemon import offline

    if args.action == "revoke":
        if not offline.revoke_grant(paths, args.name, kind):
            raise QmdError("not_found", f"There is no {kind} {args.name!r}.", f"`qmd {command} list` shows them.")
        streams.result(f"revoked: {args.name}")
        return 0
    found = offline.granted(paths, kind)
    streams.result(grants.encode(found) if args.json else grants.text(found))
    return 0


def _check(paths: Paths, index: str, names: list[str]) -> None:
    """A name with a mistake in it would let its holder see nothing, and nobody would know why."""
    from qmd_daemon import offline

    there = {one["name"] for one in offline.configured(paths, index=index)}
    for name in names:
        if name not in there:
            raise QmdError("not_found", f"Collection not found: {name}.", f"There are: {', '.join(sorted(there))}.")
