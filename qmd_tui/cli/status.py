"""`qmd status`: asks the daemon if it runs, else looks for itself. Never starts it."""

from __future__ import annotations

import argparse
from typing import Any

from ipc.errors import QmdError
from ipc.launch import find_daemon
from ipc.paths import Paths
from ipc.protocol import Status
from ipc.sync import SyncClient
from qmd_tui.output import rows, status, streams
from qmd_tui.output.style import style_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help='a JSON object, {"index": …, "daemon": …}')


def run(args: argparse.Namespace, paths: Paths) -> int:
    daemon = _ask(args, paths)
    index = daemon.pop("index") if daemon else _look(args, paths)
    if args.json:
        streams.result(rows.encode({"index": index, "daemon": daemon}))
    else:
        streams.result(status.text(index, daemon, style_of()))
    return 0


def _ask(args: argparse.Namespace, paths: Paths) -> dict[str, Any] | None:
    endpoint = find_daemon(paths)
    if endpoint is None:
        return None
    with SyncClient(endpoint.rpc) as client:
        return client.call_raw(Status(index=args.index))


def _look(args: argparse.Namespace, paths: Paths) -> dict[str, Any] | None:
    from qmd_daemon import offline

    try:
        return offline.status(paths, index=args.index)
    except QmdError as error:
        if error.code != "not_found":
            raise
        return None
