"""`qmd skill`: the instructions for agents that come with the program, shown or installed where agents look."""

from __future__ import annotations

import argparse
import os

import qmd_tui
from ipc.errors import QmdError
from ipc.paths import Paths
from qmd_tui.output import rows, streams

SKILL = os.path.join(os.path.dirname(qmd_tui.__file__), "skill", "SKILL.md")
NAME = "qmd"
_FOLDER = os.path.join(".claude", "skills", "qmd")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    shown = actions.add_parser("show", aliases=["get"], help="print it")
    shown.add_argument("name", metavar="NAME", nargs="?", choices=[NAME], default=NAME, help="there is one")
    listed = actions.add_parser("list", help="which there are: one")
    listed.add_argument("--json", action="store_true", help="a JSON array")
    actions.add_parser("path", help="print where it is")
    install = actions.add_parser("install", help=f"copy it to {_FOLDER} in this directory")
    install.add_argument("--global", dest="everywhere", action="store_true", help=f"to ~/{_FOLDER}, for all projects")
    install.add_argument("-f", "--force", action="store_true", help="also over one that is different")


def run(args: argparse.Namespace, _: Paths) -> int:
    if args.action == "path":
        streams.result(SKILL)
        return 0
    with open(SKILL, encoding="utf-8") as file:
        text = file.read()
    if args.action in {"show", "get"}:
        streams.result(text.rstrip("\n"))
    elif args.action == "list":
        about = text.partition("description: ")[2].partition("\n")[0]
        streams.result(rows.encode([{"name": NAME, "description": about}]) if args.json else f"{NAME}  {about}")
    else:
        streams.result(f"installed: {_install(text, everywhere=args.everywhere, force=args.force)}")
    return 0


def _install(text: str, *, everywhere: bool, force: bool) -> str:
    folder = os.path.join(os.path.expanduser("~") if everywhere else os.getcwd(), _FOLDER)
    place = os.path.join(folder, "SKILL.md")
    if os.path.exists(place) and not force:
        with open(place, encoding="utf-8", errors="replace") as file:
            if file.read() != text:
                raise QmdError("conflict", f"{place} is there, and different.", "`-f` writes over it.")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(place, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise QmdError("unavailable", f"Cannot write {place}: {error.strerror}.") from None
    return place
