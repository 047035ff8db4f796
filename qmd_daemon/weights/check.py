"""`python -m qmd_daemon.weights.check`: what `qmd check` shows, a line for each model.

Exit code 3: a model is missing that somebody has asked for, or there is none at all to search with.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import msgspec

from ipc.errors import CODES, QmdError
from ipc.paths import Paths
from qmd_daemon import config
from qmd_daemon.config import Config
from qmd_daemon.weights import fetch, installed, machine, profiles, wanted
from qmd_daemon.weights.console import Console
from qmd_daemon.weights.entry import Hub
from qmd_daemon.weights.installed import Check
from qmd_daemon.weights.report import Failed


def main(argv: Sequence[str]) -> int:
    """Print the lines; with `--download`, after fetching what is missing."""
    try:
        paths = Paths.from_environment()
        settings = config.load(paths)
        found = checks(settings, paths.models)
        if "--download" in argv and not all(check.ok for check in found):
            _download(settings, paths.models)
            found = checks(settings, paths.models)
    except QmdError as error:
        sys.stderr.write(f"qmd: {error.message}\n{error.hint}\n")
        return error.exit_code
    for check in found:
        sys.stdout.write(f"{describe(check)}\n")
    return 0 if all(check.ok or check.optional for check in found) else CODES["no_model"][1]


def checks(settings: Config, models: str) -> list[Check]:
    """One line for each model that is wanted, and for the one in its place. Raises QmdError("invalid")."""
    if settings.engine.kind == "fake":
        return [Check(name="fake", role="embedding", ok=True, reason="hashed words instead of a model")]
    here = machine.detect()
    engine = settings.engine
    entries = {entry.name: entry for entry in wanted.used(settings, here)}
    in_use = profiles.choose(engine, models, own=settings.models, machine=wanted.usable(here, settings)).embedding
    named = {engine.embedding or engine.model, engine.reranker, engine.expansion}
    return [
        msgspec.structs.replace(
            installed.check(entry, models),
            optional=engine.profile == wanted.AUTO and entry.name not in named and entry.name != in_use.name,
        )
        for entry in ({in_use.name: in_use} | entries).values()
    ]


def _download(settings: Config, models: str) -> None:
    """Fetch what is missing and on a hub. What cannot be had is told, and missing afterwards, too."""
    used = wanted.used(settings, machine.detect())
    missing = [entry for entry in used if isinstance(entry.source, Hub) and not installed.locate(entry, models)]
    with Console(sys.stderr) as console:
        try:
            fetch.run(missing, settings.hub, models, console.tell)
        except QmdError as error:
            console.tell(Failed(code=error.code, message=error.message, hint=error.hint))


def describe(check: Check) -> str:
    """`OK Embedding (23MB)`, or `MISSING Embedding all-minilm-l6-v2: …`."""
    role = check.role.capitalize()
    if not check.ok:
        return f"MISSING {role} {check.name}: {check.hint or check.reason}"
    return f"OK {role} ({round(check.size_bytes / 1e6)}MB)" if check.size_bytes else f"OK {role} ({check.reason})"


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv[1:]))
