"""The units of `contrib/systemd`, made to fit: this program, this installation, this port."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping

import qmd_tui
from ipc.errors import QmdError
from ipc.service import SOCKET, UNIT

# Where an installation is decided: the service must find the one that commands find.
_DIRECTORIES = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")


def service(env: Mapping[str, str] = os.environ, python: str = sys.executable) -> str:
    """The text of qmd.service. It starts what `qmd server` becomes, with the interpreter of this program."""
    lines = [f"ExecStart={quoted(python)} -P -m qmd_daemon"]
    lines += [f"Environment={quoted(f'{name}={value}')}" for name, value in _environment(env).items()]
    # A function: backslashes in it are not references to groups.
    return re.sub(r"(?m)^ExecStart=.*$", lambda _: "\n".join(lines), _template(UNIT))


def socket(host: str, port: int) -> str:
    """The text of qmd.socket."""
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return re.sub(r"(?m)^ListenStream=.*$", f"ListenStream={address}", _template(SOCKET))


def quoted(word: str) -> str:
    """A word of a unit file, in double quotes, to the letter. Raises QmdError("invalid") for control characters."""
    if any(ord(character) < 0x20 for character in word):
        raise QmdError("invalid", f"{word!r} cannot stand in a unit file.", "Use paths without control characters.")
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    """What `ipc.paths` would read, as the service needs it: it starts in another directory."""
    found = {}
    if home := env.get("QMD_HOME"):
        found["QMD_HOME"] = os.path.abspath(os.path.expanduser(home))
    if port := env.get("QMD_HTTP_PORT"):
        found["QMD_HTTP_PORT"] = port
    return found | {name: env[name] for name in _DIRECTORIES if os.path.isabs(env.get(name, ""))}


def _template(name: str) -> str:
    """From the package, or, in a checkout, from beside it."""
    package = os.path.dirname(qmd_tui.__file__)
    for place in (os.path.join(package, "systemd"), os.path.join(package, "..", "contrib", "systemd")):
        try:
            with open(os.path.join(place, name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            continue
    raise QmdError("unavailable", f"{name} is missing from this installation.", "Install the program again.")
