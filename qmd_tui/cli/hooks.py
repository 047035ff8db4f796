"""The commands of `update:`, run before a collection is scanned: here, in the person's terminal and environment.

The daemon never runs one, so nothing that reaches it (HTTP, an agent, a watcher) can start a program.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from ipc.paths import Paths
from qmd_tui.output import streams

_ALLOWED = "QMD_TRUST_UPDATE_HOOKS"


def run_all(paths: Paths, index: str, names: Sequence[str], *, pull: bool) -> bool:
    """Run what the collections (all, if none is named) have to be run; False when something failed.

    With `pull`, those without a command that are in a git work tree are pulled. What fails is said, and the others go
    on. Commands of a project that is not trusted are asked about on a terminal, and elsewhere left out.
    """
    from qmd_daemon import offline

    chosen = [one for one in offline.configured(paths, index=index) if not names or one["name"] in names]
    if any(one["update"] for one in chosen) and not _may_run(paths, index):
        chosen = [{**one, "update": ""} for one in chosen]
    done: dict[tuple[str, ...], bool] = {}
    for one in chosen:
        command = _command(one, pull=pull)
        # Two collections of one directory, with different masks, need one pull.
        if command and (one["path"], *command) not in done:
            done[one["path"], *command] = _run(one, command)
    return all(done.values())


def _may_run(paths: Paths, index: str) -> bool:
    from qmd_daemon import offline

    asked = offline.asked_for(paths, index=index)
    if asked["allowed"] or os.environ.get(_ALLOWED) == "1":
        return True
    from qmd_tui.cli.trust import tell

    tell(asked)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        streams.say("its commands are not run, since nobody has trusted them: `qmd trust` does.")
        return False
    sys.stderr.write("Trust this project, and run its commands? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        return False
    offline.grant_trust(paths, index=index)
    return True


def _command(one: dict[str, Any], *, pull: bool) -> list[str]:
    if one["update"]:
        return [shutil.which("bash") or "/bin/sh", "-c", one["update"]]
    if pull and os.path.isdir(one["path"]) and _in_git(one["path"]):
        return ["git", "pull", "--ff-only"]
    return []


def _in_git(path: str) -> bool:
    try:
        asked = subprocess.run(["git", "-C", path, "rev-parse"], capture_output=True, check=False)
    except OSError:  # there is no git
        return False
    return asked.returncode == 0


def _run(one: dict[str, Any], command: Sequence[str]) -> bool:
    """What the command writes goes to stderr, where results are not."""
    streams.say(f"{one['name']}: {command[-1] if one['update'] else ' '.join(command)}")
    try:
        # Its words are the person's own, from index.yml: no query and no file's content is among them.
        ended = subprocess.run(command, cwd=one["path"], stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
    except OSError as error:
        streams.say(f"{one['name']}: its update command could not be run: {error.strerror}.")
        return False
    if ended.returncode:
        streams.say(f"{one['name']}: its update command failed with exit code {ended.returncode}.")
    return ended.returncode == 0
