"""`qmd trust`: allow what a project's index.yml asks for: commands, directories outside the project, an editor link."""

from __future__ import annotations

import argparse
from typing import Any

from ipc import project
from ipc.errors import QmdError
from ipc.paths import Paths
from qmd_tui.output import safe, streams


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="the files that are trusted, and whether they have changed since")
    actions.add_parser("revoke", help="trust this project's file no more")


def run(args: argparse.Namespace, paths: Paths) -> int:
    from qmd_daemon import offline

    if args.action == "list":
        return _list(paths)
    if not project.is_local(args.index):
        raise QmdError("invalid", "You are in no project with an index of its own.", "`qmd init` makes one.")
    if args.action == "revoke":
        revoked = offline.revoke_trust(paths, index=args.index)
        streams.result(f"{'revoked' if revoked else 'was not trusted'}: {project.config_file(args.index)}")
        return 0 if revoked else 1
    asked = offline.asked_for(paths, index=args.index)
    tell(asked)
    offline.grant_trust(paths, index=args.index)
    nothing = not (asked["hooks"] or asked["outside"] or asked["editor_uri"])
    streams.result("there is nothing to trust" if nothing else f"trusted: {project.config_file(args.index)}")
    return 0


def tell(asked: dict[str, Any]) -> None:
    """Say on stderr what a project asks for."""
    for name, command in asked["hooks"].items():
        streams.say(f"before {safe.line(name)} is updated, it runs: {safe.line(command)}")
    for name, path in asked["outside"].items():
        streams.say(f"collection {safe.line(name)} is outside the project: {safe.line(path)}")
    if asked["editor_uri"]:
        streams.say(f"links in results lead to: {safe.line(asked['editor_uri'])}")


def _list(paths: Paths) -> int:
    from qmd_daemon import offline

    found = offline.trusted(paths)
    for path, state in found:
        streams.result(f"{safe.line(path)}  {state}")
    if not found:
        streams.say("no project is trusted.")
    return 0 if found else 1
