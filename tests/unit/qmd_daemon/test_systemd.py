from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qmd_daemon import systemd
from qmd_daemon.systemd import Notifier


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(20)

    def heard(self) -> list[str]:
        return self._socket.recv(4096).decode().split("\n")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def address(tmp_path: Path) -> str:
    return str(tmp_path / "notify")


@pytest.fixture
def manager(address: str) -> Iterator[Manager]:
    found = Manager(address)
    yield found
    found.close()


def test_what_it_is_told(manager: Manager, address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ready("ready\nWATCHDOG=1")
    assert manager.heard() == ["READY=1", "STATUS=ready WATCHDOG=1"]  # a status is one line
    notifier.stopping(20)
    assert manager.heard() == ["STOPPING=1", "STATUS=stopping", "EXTEND_TIMEOUT_USEC=20000000"]


def test_an_abstract_socket() -> None:
    name = f"qmd-test-{os.getpid()}"
    manager = Manager(f"\0{name}")
    Notifier({"NOTIFY_SOCKET": f"@{name}"}).send("READY=1")
    assert manager.heard() == ["READY=1"]
    manager.close()


@pytest.mark.parametrize("env", [{}, {"NOTIFY_SOCKET": "/nowhere/notify"}, {"NOTIFY_SOCKET": ""}])
def test_nobody_to_tell_is_no_error(env: dict[str, str]) -> None:
    Notifier(env).ready("ready")


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_how_often_it_wants_to_hear(env: dict[str, str], expected: float) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/n", **env}).watchdog_s == expected
    assert Notifier(env).watchdog_s == 0.0


HANDED = """
import os, sys
from qmd_daemon import systemd
os.environ["LISTEN_PID"] = str(os.getpid())
found = systemd.listening()
systemd.forget()
print(found.getsockname()[1], os.get_inheritable(3), [name for name in os.environ if name.startswith("LISTEN_")])
"""


def test_the_socket_it_hands_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        # Descriptor 3 is where it lies; a shell would be one more program.
        code = f"import os; os.dup2({server.fileno()}, 3); exec({HANDED!r})"
        env = {**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http"}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=env,
            pass_fds=(server.fileno(),),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert done.stdout.split(" ", 2) == [str(port), "False", "[]\n"]


@pytest.mark.parametrize("env", [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_FDS": "1"}])
def test_none_is_taken_that_is_not_ours(env: dict[str, str]) -> None:
    assert systemd.listening(env) is None


def test_a_pid_of_ours_without_a_socket() -> None:
    assert systemd.listening({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0"}) is None
