"""The daemon as a systemd service of this person: whether there is one, and having systemd start it.

Where a person has enabled it, whoever needs the daemon asks systemd: one that was launched besides would keep the lock,
and the service from starting. Standard library only, and nothing is run to find out.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping

from ipc.paths import Paths

UNIT = "qmd.service"
SOCKET = "qmd.socket"
# To start, by TimeoutStartSec of the unit; systemd itself answers at once.
START_S = 30.0
# systemd says that it is ready; then it answers a ping, if it is the daemon of this installation.
ANSWER_S = 10.0
# What is enabled: the service itself, or the socket whose first request starts it.
_LINKS = (("default.target.wants", UNIT), ("sockets.target.wants", SOCKET))
_ENVIRONMENT = re.compile(r"^Environment=(.*)$", re.MULTILINE)


def directory(env: Mapping[str, str] = os.environ) -> str:
    """Of this person's units. It need not be there."""
    base = env.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):  # the specification: a relative path is to be ignored
        base = os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(base, "systemd", "user")


def enabled(paths: Paths, env: Mapping[str, str] = os.environ) -> bool:
    """Whether systemd starts the daemon of this installation: by the links that `systemctl enable` makes."""
    units = directory(env)
    if not any(os.path.exists(os.path.join(units, target, name)) for target, name in _LINKS):
        return False
    try:
        with open(os.path.join(units, UNIT), encoding="utf-8") as file:
            theirs = _environment(file.read())
    except (OSError, ValueError):  # nobody's, or nobody's that we understand
        return False
    return Paths.from_environment(theirs | {"QMD_HTTP_PORT": ""}).data == paths.data


class Start:
    """systemd, asked to start the service. Whether it has done so, a ping tells; whether it will not, `failure`."""

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        runtime = f"/run/user/{os.getuid()}"  # in cron and after `su`, systemctl would not find it
        here = {"XDG_RUNTIME_DIR": runtime} if os.path.isdir(runtime) else {}
        self._asked = time.monotonic()
        self._answered = 0.0
        self._process: subprocess.Popen[str] | None = None
        self._error = ""
        try:
            self._process = subprocess.Popen(
                ["systemctl", "--user", "start", UNIT],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env=here | dict(env),
            )
        except OSError as error:
            self._error = f"systemctl: {error.strerror}"

    def failure(self) -> str:
        """Why it does not start; "" as long as it still may. Never waits."""
        self._error = self._error or self._look()
        return self._error

    def close(self) -> None:
        """Wait no longer for systemd, which goes on by itself."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def _look(self) -> str:
        if self._process is None:
            return ""
        now = time.monotonic()
        code = self._process.poll()
        if code is None:
            return f"it has not answered within {START_S:g} s" if now > self._asked + START_S else ""
        if code:
            return _first_line(self._process) or f"systemctl ended with {code}"
        self._answered = self._answered or now
        return "its daemon does not answer here" if now > self._answered + ANSWER_S else ""


def _environment(unit: str) -> dict[str, str]:
    """The variables that a unit sets. Raises ValueError for quotes that do not end."""
    import shlex  # 2 ms, which only a client that finds no daemon pays

    specifiers = {"%": "%", "h": os.path.expanduser("~")}
    words = [word for line in _ENVIRONMENT.findall(unit) for word in shlex.split(line)]
    pairs = (re.sub(r"%(.)", lambda found: specifiers.get(found[1], found[0]), word).partition("=") for word in words)
    return {name: value for name, _, value in pairs}


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None  # noqa: S101  (for the type checker)
    return process.stderr.readline().strip().rstrip(".")
