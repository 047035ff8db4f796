"""`qmd ps`: which models are in memory, where, and until when. Never starts the daemon."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ipc.paths import Paths
from ipc.protocol import Ps
from qmd_tui.cli import daemon
from qmd_tui.output import models, rows, streams
from qmd_tui.output.style import style_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="a JSON array, one object for each role")


def run(args: argparse.Namespace, paths: Paths) -> int:
    found = _ask(args, paths)
    if args.json:
        streams.result(rows.encode(found["models"] if found else []))
    elif found is None:
        streams.say("The daemon does not run: no model is in memory.")
    else:
        streams.result(models.text(found, style_of(), time.time()))
    return 0


def _ask(args: argparse.Namespace, paths: Paths) -> dict[str, Any] | None:
    endpoint = daemon.find(args, paths)
    if endpoint is None:
        return None
    with endpoint.connect() as client:
        return client.call_raw(Ps())
