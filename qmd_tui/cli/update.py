"""`qmd update`, `qmd embed`, `qmd cleanup`: jobs of the daemon, which is the only one who writes to an index."""

from __future__ import annotations

import argparse

from ipc.paths import Paths
from ipc.protocol import Cleanup, EmbedIndex, Update
from qmd_tui.cli import daemon
from qmd_tui.cli.follow import report, run_job
from qmd_tui.output import jobs, streams

HOOK_FAILED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    command = parser.get_default("command")
    if command == "cleanup":
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
        return
    parser.add_argument("-c", "--collection", metavar="NAME", action="append", default=[], help="only; repeatable")
    if command == "embed":
        parser.add_argument("-f", "--force", action="store_true", help="make all vectors anew")
    else:
        parser.add_argument("--pull", action="store_true", help="first `git pull --ff-only` where there is no command")


def run(args: argparse.Namespace, paths: Paths) -> int:
    match args.command:
        case "embed":
            request = EmbedIndex(index=args.index, force=args.force, collections=args.collection)
            return report(run_job(daemon.ensure(paths), request))
        case "cleanup":
            return _cleanup(args, paths)
        case _:
            return _update(args, paths)


def _update(args: argparse.Namespace, paths: Paths) -> int:
    """A command that fails is told, and its collection scanned all the same: what is there can be found."""
    from qmd_tui.cli.hooks import run_all

    succeeded = run_all(paths, args.index, args.collection, pull=args.pull)
    code = report(run_job(daemon.ensure(paths), Update(index=args.index, collections=args.collection)))
    return code or (0 if succeeded else HOOK_FAILED)


def _cleanup(args: argparse.Namespace, paths: Paths) -> int:
    if not args.dry_run:
        return report(run_job(daemon.ensure(paths), Cleanup(index=args.index)))
    from qmd_daemon import offline

    streams.heading("Dry run — no changes made")
    for line in jobs.would_clean(offline.waste(paths, index=args.index)):
        streams.result(line)
    return 0
