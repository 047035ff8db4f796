"""`python -m qmd_daemon.engine.trial MODEL …`: what `qmd models test` does.

Converts a model where that is due, loads it as the worker would, and holds it against what it must be able to do.
A process of its own, since a broken model may take its process with it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from ipc.errors import QmdError
from ipc.paths import Paths
from qmd_daemon import config
from qmd_daemon.config import Config
from qmd_daemon.engine import tuning
from qmd_daemon.weights import catalog, machine, wanted
from qmd_daemon.weights.entry import Entry


def main(argv: Sequence[str]) -> int:
    """A line for each model; without names, of those that are used here. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m qmd_daemon.engine.trial", description="Test models.")
    parser.add_argument("names", metavar="MODEL", nargs="*")
    names = parser.parse_args(argv).names
    code = 0
    try:
        paths = Paths.from_environment()
        settings = config.load(paths)
        entries = [catalog.get(name, settings.models) for name in names]
        for entry in entries or wanted.used(settings, machine.detect()):
            code = _report(entry, settings, paths.models) or code
    except QmdError as error:
        return _complain(error)
    return code


def _report(entry: Entry, settings: Config, models: str) -> int:
    # After the environment is set: CTranslate2 reads it when it is imported.
    from qmd_daemon.engine.ct2 import trial

    began = time.monotonic()
    try:
        device = trial(entry, models, settings.engine.device, _say)
    except QmdError as error:
        sys.stdout.write(f"FAILED {entry.role.capitalize()} {entry.name}\n")
        return _complain(error)
    except RuntimeError as error:
        sys.stdout.write(f"FAILED {entry.role.capitalize()} {entry.name}\n")
        return _complain(QmdError("unavailable", f"{entry.name} cannot be loaded: {error}.", "Fetch it again."))
    took = f"{time.monotonic() - began:.1f} s"
    sys.stdout.write(f"OK {entry.role.capitalize()} {entry.name} ({device.name}, {device.compute_type}, {took})\n")
    return 0


def _say(step: str) -> None:
    sys.stderr.write(f"{step} …\n")


def _complain(error: QmdError) -> int:
    sys.stdout.flush()
    sys.stderr.write("\n".join(filter(None, [f"qmd: {error.message}", error.hint])) + "\n")
    return error.exit_code


if __name__ == "__main__":
    os.umask(0o077)
    # What this user set by hand wins over what we think is best.
    os.environ.update({**tuning.environment(), **os.environ})
    sys.exit(main(sys.argv[1:]))
