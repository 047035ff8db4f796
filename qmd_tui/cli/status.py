"""`qmd status`: asks the daemon if it runs, else looks for itself. Never starts it."""

from __future__ import annotations

import argparse
from typing import Any

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import Status
from qmd_tui.cli import daemon
from qmd_tui.output import rows, status, streams
from qmd_tui.output.style import style_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help='a JSON object, {"index": …, "daemon": …}')


def run(args: argparse.Namespace, paths: Paths) -> int:
    running = _ask(args, paths)
    index = running.pop("index") if running else _look(args, paths)
    if args.json:
        streams.result(rows.encode({"index": index, "daemon": running}))
    else:
        streams.result(status.text(index, running, style_of()))
    return 0


def _ask(args: argparse.Namespace, paths: Paths) -> dict[str, Any] | None:
    endpoint = daemon.find(args, paths)
    if endpoint is None:
        return None
    with endpoint.connect() as client:
        return client.call_raw(Status(index=args.index))


def _look(args: argparse.Namespace, paths: Paths) -> dict[str, Any] | None:
    from qmd_daemon import offline

    try:
        return offline.status(paths, index=args.index)
    except QmdError as error:
        if error.code != "not_found":
            raise
        return None
