"""The service of this person, as systemd sees it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

UNIT = "qmd.service"
_ANSWER_S = 30.0


def units(env: Mapping[str, str] = os.environ) -> str:
    """The directory of this person's units. It need not be there."""
    base = env.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):  # the specification: a relative path is to be ignored
        base = os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(base, "systemd", "user")


def installed(env: Mapping[str, str] = os.environ) -> bool:
    """Whether the unit is there."""
    return os.path.exists(os.path.join(units(env), UNIT))


def state() -> str:
    """active, inactive, failed …; "" when there is no systemd to ask."""
    try:
        done = subprocess.run(
            ["systemctl", "--user", "is-active", UNIT],
            capture_output=True,
            text=True,
            timeout=_ANSWER_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
