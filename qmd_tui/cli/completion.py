"""`qmd completion SHELL`: what the shell needs to complete commands, flags, files and the names of collections."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from ipc.paths import Paths
from qmd_tui.cli.parser import Parser
from qmd_tui.output import streams

SHELLS = ("bash", "zsh", "fish")
# `qmd ls` reads the index itself, in some tens of milliseconds.
_NAMES = r"qmd ls 2>/dev/null | sed -n 's|^qmd://\([^/]*\)/.*|\1|p'"
_PREAMBLE = {
    "bash": f'_qmd_collections() {{ compgen -W "$({_NAMES})" -- "$1"; }}',
    "zsh": f'_qmd_collections() {{ compadd -- ${{(f)"$({_NAMES})"}}; }}',
    "fish": "",
}
_COLLECTIONS = {"bash": "_qmd_collections", "zsh": "_qmd_collections", "fish": f"({_NAMES})"}
_WHERE = {
    "bash": 'eval "$(qmd completion bash)"        # in ~/.bashrc',
    "zsh": 'eval "$(qmd completion zsh)"         # in ~/.zshrc, after compinit',
    "fish": "qmd completion fish > ~/.config/fish/completions/qmd.fish",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(_WHERE.values())


def run(args: argparse.Namespace, _: Paths) -> int:
    import shtab

    script = shtab.complete(program(), args.shell, preamble=_PREAMBLE[args.shell])
    streams.result(script)
    return 0


def program() -> argparse.ArgumentParser:
    """All commands in one parser, which nothing but the completion needs."""
    import shtab

    from qmd_tui.cli.main import COMMANDS

    whole = Parser(prog="qmd")
    whole.add_argument("--version", action="store_true", help="the program's version")
    commands = whole.add_subparsers(dest="command", parser_class=Parser)
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        command.set_defaults(command=name)
        import_module(f"qmd_tui.cli.{module}").add_arguments(command)
        command.add_everywhere("--index", metavar="NAME", default=None, help="another index than the default one")
        for action in _actions(command):
            completed: Any = action  # shtab reads an attribute that argparse does not know
            if "--collection" in action.option_strings or (action.dest == "name" and not action.option_strings):
                completed.complete = _COLLECTIONS
            elif action.dest == "path":
                completed.complete = shtab.DIRECTORY
            elif action.dest in {"refs", "ref"}:
                completed.complete = shtab.FILE
    return whole


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to list them
        yield action
        if isinstance(action.choices, dict):
            for inner in dict.fromkeys(action.choices.values()):
                yield from _actions(inner)
