"""`python -m qmd_daemon.weights.manage`: what `qmd models list | remove | export | import | plan` does.

A process of its own, and no work for the daemon: it needs no model in memory, and no daemon needs to run.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ipc.errors import QmdError
from ipc.paths import Paths
from qmd_daemon import config
from qmd_daemon.config import Config
from qmd_daemon.weights import bundle, catalog, inventory, machine, plan
from qmd_daemon.weights.inventory import Item

_STATES = {
    "converted": "ready",
    "original": "ready, converted when first used",
    "part": "fetched in part: `qmd pull` goes on",
    "absent": "",
}


def main(argv: Sequence[str]) -> int:
    """Returns the exit code."""
    options = _parser().parse_args(argv)
    actions: dict[str, Callable[[argparse.Namespace, Config, str], None]] = {
        "list": _list,
        "remove": _remove,
        "export": _export,
        "import": _import,
        "plan": _plan,
    }
    try:
        paths = Paths.from_environment()
        actions[options.action](options, config.load(paths), paths.models)
    except QmdError as error:
        sys.stderr.write("\n".join(filter(None, [f"qmd: {error.message}", error.hint])) + "\n")
        return error.exit_code
    return 0


def _list(options: argparse.Namespace, settings: Config, models: str) -> None:
    items = inventory.items(settings, models, machine.detect())
    if options.json:
        _json(items)
        return
    width = max(len(item.name) for item in items)
    for role in dict.fromkeys(item.role for item in items):
        _say(f"{role}:")
        for item in (item for item in items if item.role == role):
            _say(f" {'*' if item.used else ' '} {item.name:<{width}}  {_state(item)}".rstrip())


def _state(item: Item) -> str:
    if item.state == "absent":
        return f"{'to fetch':>9} {_size(item.download_bytes):>8}  {item.license}"
    # A package's files, and somebody's own directory, are not ours to count.
    size = _size(item.size_bytes) if item.size_bytes else "-"
    return f"{'here':>9} {size:>8}  {item.license}  {_STATES[item.state]}"


def _remove(options: argparse.Namespace, settings: Config, models: str) -> None:
    for name in options.names:
        _say(f"Removed {name}: {_size(inventory.remove(name, models))}")


def _export(options: argparse.Namespace, settings: Config, models: str) -> None:
    if options.names:
        entries = [catalog.get(name, settings.models) for name in options.names]
    else:
        here = {item.name for item in inventory.items(settings, models, machine.detect()) if item.size_bytes}
        entries = [catalog.get(name, settings.models) for name in sorted(here)]
    if not entries:
        raise QmdError("no_model", "There is no model to export.", "Fetch some: `qmd pull`.")
    names = bundle.export(entries, models, options.file)
    _say(f"Exported {', '.join(names)}: {_size(os.path.getsize(options.file))}")


def _import(options: argparse.Namespace, settings: Config, models: str) -> None:
    _say(f"Imported {', '.join(bundle.load(options.file, models, settings.models))}")


def _plan(options: argparse.Namespace, settings: Config, models: str) -> None:
    vram_bytes = plan.parse_size(options.vram) if options.vram else machine.detect().vram_bytes
    if not vram_bytes:
        raise QmdError("invalid", "There is no card here to plan for.", "Name a size: `qmd models plan --vram 4G`.")
    fits = plan.plan(vram_bytes, options.names)
    if options.json:
        _json(fits)
    else:
        _say(plan.text(fits, vram_bytes))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m qmd_daemon.weights.manage", description="Manage the models.")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list").add_argument("--json", action="store_true")
    actions.add_parser("remove").add_argument("names", metavar="MODEL", nargs="+")
    exporting = actions.add_parser("export")
    exporting.add_argument("file", metavar="FILE")
    exporting.add_argument("names", metavar="MODEL", nargs="*")
    actions.add_parser("import").add_argument("file", metavar="FILE")
    planning = actions.add_parser("plan")
    planning.add_argument("names", metavar="PROFILE", nargs="*")
    planning.add_argument("--vram", metavar="SIZE", default="")
    planning.add_argument("--json", action="store_true")
    return parser


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:,.0f} kB"


def _json(value: Any) -> None:
    _say(msgspec.json.format(msgspec.json.encode(value)).decode())


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv[1:]))
