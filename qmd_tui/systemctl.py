"""The service of this person, as systemd sees it: its own programs are asked, without a shell."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from ipc.errors import QmdError
from ipc.service import UNIT, directory

# A stop takes as long as TimeoutStopSec of the unit.
_ANSWER_S = 60.0


def installed(env: Mapping[str, str] = os.environ) -> bool:
    """Whether the unit is there."""
    return os.path.exists(os.path.join(directory(env), UNIT))


def state() -> str:
    """active, inactive, failed …; "" when there is no systemd to ask."""
    try:
        return _ask("systemctl", "--user", "is-active", UNIT).stdout.strip()
    except QmdError:
        return ""


def properties(*names: str) -> dict[str, str]:
    """What systemd knows of the unit, by name. Raises QmdError("unavailable")."""
    done = _ask("systemctl", "--user", "show", UNIT, f"--property={','.join(names)}")
    if done.returncode:
        raise QmdError("unavailable", f"{_first_line(done.stderr)}.", "See `systemctl --user status`.")
    return {name: value for name, _, value in (line.partition("=") for line in done.stdout.splitlines())}


def check() -> None:
    """Raise QmdError("unavailable") where no systemd looks after this person's services."""
    done = _ask("systemctl", "--user", "show", "--property=Version")
    if done.returncode:
        raise QmdError(
            "unavailable",
            f"systemd does not answer for this user: {_first_line(done.stderr)}.",
            "It needs a login of this user (not `su` or `sudo`), or `sudo loginctl enable-linger USER`.",
        )


def call(*words: str) -> None:
    """`systemctl --user …`. Raises QmdError("unavailable") with what it says when it fails."""
    done = _ask("systemctl", "--user", *words)
    if done.returncode:
        command = " ".join(["systemctl", "--user", *words])
        raise QmdError("unavailable", f"`{command}`: {_first_line(done.stderr)}.", "See `qmd service logs`.")


def lingers() -> bool:
    """Whether this person's services run without a login, too. False where nobody can tell."""
    try:
        done = _ask("loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value")
    except QmdError:
        return False
    return done.stdout.strip() == "yes"


def show(*command: str) -> int:
    """Let a program of systemd's write to this terminal; its exit code. Raises QmdError("unavailable")."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    except OSError as error:
        raise _missing(command[0], error) from None


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ANSWER_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise QmdError("unavailable", f"{command[0]} does not answer.", "See `systemctl --user status`.") from None
    except OSError as error:
        raise _missing(command[0], error) from None


def _missing(program: str, error: OSError) -> QmdError:
    hint = (
        "Without systemd, let what starts your services run `qmd server`; or do nothing: commands start it themselves."
    )
    return QmdError("unavailable", f"systemd is not here: {program}: {error.strerror}.", hint)


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0].rstrip(".") if lines else "it failed"
