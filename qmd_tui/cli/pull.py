"""`qmd pull`: the daemon fetches models. What was fetched is kept whatever happens, and the next pull goes on."""

from __future__ import annotations

import argparse
import sys

from ipc.paths import Paths
from ipc.protocol import Job, Pull
from qmd_tui.cli import daemon
from qmd_tui.cli.follow import CANCELLED, follow, report, start
from qmd_tui.output import jobs, streams


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="PROFILE | MODEL", nargs="*", help="those of a profile, or by name")
    parser.add_argument("--json", action="store_true", help="the job as a JSON object a line, at every progress")


def run(args: argparse.Namespace, paths: Paths) -> int:
    endpoint = daemon.ensure(paths)
    job = start(endpoint, Pull(names=args.names))
    if args.json:
        job = follow(endpoint, job, _show_json)
        return CANCELLED if job.state == "cancelled" else 0
    job = follow(endpoint, job, None if sys.stderr.isatty() else _Phases().show)
    return report(job)


class _Phases:
    """A line for each thing that it does, where there is no terminal to draw a bar on."""

    def __init__(self) -> None:
        self._phase = ""

    def show(self, job: Job) -> None:
        if job.phase and job.phase != self._phase:
            self._phase = job.phase
            streams.say(jobs.phase(job))


def _show_json(job: Job) -> None:
    import msgspec

    streams.result(msgspec.json.encode(job).decode())
    sys.stdout.flush()
