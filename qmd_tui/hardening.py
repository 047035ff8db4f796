"""Which of the service's hardening took effect: what systemd was asked for, held against what the kernel says.

systemd ignores what the machine does not allow, such as mounts for a person's services where user namespaces are
restricted. So the process itself is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ipc.finding import Finding, ok, warn

CHECK = "hardening"
# What `systemctl show` is asked for.
PROPERTIES = (
    *("MainPID", "NoNewPrivileges", "UMask", "ProtectSystem", "PrivateTmp", "ProtectKernelTunables"),
    *("SystemCallFilter", "SystemCallArchitectures", "RestrictSUIDSGID", "LockPersonality", "RestrictRealtime"),
)
_FILTERS = PROPERTIES[6:]
_OFF = frozenset({"", "no"})


class Mount(NamedTuple):
    """Where a path lies, in the eyes of a process: `source` tells one place from another."""

    source: str
    read_only: bool


class Process:
    """What the kernel says of a process, in `proc`, such as /proc/4711. Raises OSError when it has gone."""

    def __init__(self, proc: str) -> None:
        with open(os.path.join(proc, "status"), encoding="utf-8", errors="replace") as file:
            fields = (line.partition(":") for line in file)
            self.status = {name: value.strip() for name, _, value in fields}
        with open(os.path.join(proc, "mountinfo"), encoding="utf-8", errors="replace") as file:
            self._mounts = [line.split() for line in file]

    def mount(self, path: str) -> Mount:
        """The mount that `path` is on: the last of the longest, which hides the others."""
        over = [one for one in self._mounts if _covers(one[4], path)]
        *_, found = sorted(over, key=lambda one: len(one[4]))
        return Mount(f"{found[2]} {found[3]}", "ro" in found[5].split(","))


class _Protection(NamedTuple):
    words: str
    asked: Callable[[Mapping[str, str]], bool]
    there: Callable[[Process, Process], bool]


_PROTECTIONS = (
    _Protection(
        "no new privileges",
        lambda asked: asked["NoNewPrivileges"] not in _OFF,
        lambda daemon, _: daemon.status.get("NoNewPrivs") == "1",
    ),
    _Protection(
        "system calls are filtered",
        lambda asked: any(asked[name] not in _OFF for name in _FILTERS),
        lambda daemon, _: daemon.status.get("Seccomp") == "2",
    ),
    _Protection(
        "its files are for you alone",
        lambda asked: asked["UMask"] == "0077",
        lambda daemon, _: daemon.status.get("Umask") == "0077",
    ),
    _Protection(
        "the system is read-only",
        lambda asked: asked["ProtectSystem"] not in _OFF,
        lambda daemon, _: daemon.mount("/usr").read_only,
    ),
    _Protection(
        "the kernel's settings are read-only",
        lambda asked: asked["ProtectKernelTunables"] not in _OFF,
        lambda daemon, _: daemon.mount("/proc/sys").read_only,
    ),
    _Protection(
        "a /tmp of its own",
        lambda asked: asked["PrivateTmp"] not in _OFF,
        lambda daemon, us: daemon.mount("/tmp").source != us.mount("/tmp").source,  # noqa: S108 - nothing is written
    ),
)


def examine(properties: Mapping[str, str], pid: int, proc: str = "/proc") -> Finding:
    """How the service's daemon is hardened. `properties`: of the unit; `pid`: of the daemon that answers, or 0."""
    asked = {name: properties.get(name, "") for name in PROPERTIES}
    if not pid or asked["MainPID"] in {"", "0"}:
        if pid:
            hint = "`qmd stop`, then `systemctl --user start qmd.service`."
            return warn(CHECK, f"The daemon that runs (process {pid}) is not the service's, and has none.", hint)
        return ok(CHECK, "Not looked at: the service does not run now.")
    try:
        daemon, us = (Process(os.path.join(proc, name)) for name in (asked["MainPID"], "self"))
    except OSError:
        return ok(CHECK, "Not looked at: the process is not there any more.")
    wanted = [one for one in _PROTECTIONS if one.asked(asked)]
    lacking = [one.words for one in wanted if not one.there(daemon, us)]
    there = [one.words for one in wanted if one.words not in lacking]
    if lacking:
        message = f"The service asks for it, and this machine does not do it: {', '.join(lacking)}."
        hint = "Allow user namespaces, or take it out of qmd.service.d. " + _told(there)
        return warn(CHECK, message, hint)
    if not there:
        return warn(CHECK, "The service asks for none.", "`qmd service install` writes its unit anew.")
    return ok(CHECK, _told(there))


def _told(there: list[str]) -> str:
    return f"In effect: {', '.join(there) or 'nothing'}."


def _covers(point: str, path: str) -> bool:
    return point in {"/", path} or path.startswith(f"{point}/")
