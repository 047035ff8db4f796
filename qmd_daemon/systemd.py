"""What systemd is told of the daemon, and what it hands to it. Does nothing where the daemon is not its service.

Ten lines of datagrams, instead of a library: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `LISTEN_FDS` are its whole protocol.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, MutableMapping

_FIRST_FD = 3
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


class Notifier:
    """Tells the service manager how the daemon is. Never blocks for long, and never raises."""

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        address = env.get("NOTIFY_SOCKET", "")
        # "@" stands for the zero byte of an abstract socket.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_s = _watchdog_s(env) if address else 0.0

    def send(self, *lines: str) -> None:
        """Such as `READY=1`, `STATUS=…`."""
        if not self._address:
            return
        message = "\n".join(line.replace("\n", " ") for line in lines).encode("utf-8", "replace")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(1.0)
                sender.sendto(message, self._address)
        except OSError:
            pass  # nobody listens any more: the manager has gone, and cannot be told

    def ready(self, status: str) -> None:
        self.send("READY=1", f"STATUS={status}")

    def stopping(self, wait_s: float) -> None:
        """The end has begun, and may take so long."""
        self.send("STOPPING=1", "STATUS=stopping", f"EXTEND_TIMEOUT_USEC={int(wait_s * 1e6)}")


def listening(env: Mapping[str, str] = os.environ) -> socket.socket | None:
    """The socket that systemd listens on for us, None when there is none. Take it once."""
    if env.get("LISTEN_PID") != str(os.getpid()) or env.get("LISTEN_FDS", "0") in {"", "0"}:
        return None
    os.set_inheritable(_FIRST_FD, False)
    return socket.socket(fileno=_FIRST_FD)


def forget(env: MutableMapping[str, str] = os.environ) -> None:
    """So that no child takes itself for the service."""
    for variable in _VARIABLES:
        env.pop(variable, None)


def _watchdog_s(env: Mapping[str, str]) -> float:
    """How often it wants to hear of us; 0 when it does not."""
    usec, pid = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
    if not usec.isdigit() or pid not in {"", str(os.getpid())}:
        return 0.0
    return int(usec) / 1e6
