"""`python -m qmd_daemon.weights.fetch [--json] [PROFILE | MODEL …]`: a process that fetches models, and nothing else.

The daemon runs it with `--json`, so that fetching can be ended at any moment, blocks nobody, and takes no memory
of the daemon's. Somebody at a terminal gets a bar.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from collections.abc import Sequence

import msgspec

from ipc.errors import QmdError
from ipc.paths import Paths, private_dir
from qmd_daemon import config
from qmd_daemon.config import HubConfig
from qmd_daemon.weights import catalog, installed, machine, wanted
from qmd_daemon.weights.console import Console
from qmd_daemon.weights.entry import Entry, Hub
from qmd_daemon.weights.fetching import fetch
from qmd_daemon.weights.report import AnyLine, Failed, Finished, Started, Tell
from qmd_daemon.weights.supply import Shelf, Supply

INTERRUPTED = 130  # 128 + SIGINT
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(argv: Sequence[str]) -> int:
    """Returns the exit code: 0 when all models are there."""
    options = _parser().parse_args(argv)
    if options.json:
        _die_with_parent()
    with Console(sys.stderr) as console:
        tell: Tell = _tell_json if options.json else console.tell
        try:
            paths = Paths.from_environment()
            settings = config.load(paths)
            run(wanted.entries(options.names, settings, machine.detect()), settings.hub, paths.models, tell)
        except QmdError as error:
            tell(Failed(code=error.code, message=error.message, hint=error.hint))
            return error.exit_code
        except KeyboardInterrupt:
            return INTERRUPTED
    return 0


def run(entries: Sequence[Entry], hub: HubConfig, models: str, tell: Tell) -> None:
    """Fetch the models, one after the other. Raises the QmdError of the first that cannot be had."""
    tell(Started(expected={entry.name: entry.download_bytes for entry in entries}))
    supply = None
    for entry in entries:
        if isinstance(entry.source, Hub):
            supply = supply or open_supply(hub, models)
            fetch(entry, entry.source, models, supply, tell)
        elif found := installed.locate(entry, models):
            tell(Finished(model=entry.name, state="present", size_bytes=found.size_bytes))
        else:
            # It comes as a package, or is in a directory of somebody's own.
            raise catalog.missing(entry)


def open_supply(hub: HubConfig, models: str) -> Supply:
    """Where the configuration says that models come from: a directory, a mirror, or the hub itself."""
    if hub.directory:
        directory = os.path.abspath(os.path.expanduser(hub.directory))
        if not os.path.isdir(directory):
            message = f"The directory of models, {directory}, is not there."
            raise QmdError("invalid", message, "See QMD_HUB_DIRECTORY, and [hub] in config.toml.")
        return Shelf(directory)
    from qmd_daemon.weights.hub import Hub as Client

    return Client(hub.endpoint, private_dir(os.path.join(private_dir(models), ".hub")))


def _die_with_parent() -> None:
    """When the daemon has gone, nobody listens any more, and its successor must not wait for our lock."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _tell_json(line: AnyLine) -> None:
    # One write for each line: the meter tells from several threads.
    os.write(sys.stdout.fileno(), msgspec.json.encode(line) + b"\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m qmd_daemon.weights.fetch",
        description="Fetch models: those of a profile, or by name; without any, those that are used here.",
    )
    parser.add_argument("names", metavar="PROFILE | MODEL", nargs="*")
    parser.add_argument("--json", action="store_true", help="a JSON object for each step, on stdout")
    return parser


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv[1:]))
