"""The daemon as a service: what it tells a service manager, the socket that it is handed, and the unit files."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from ipc.launch import find_daemon
from ipc.paths import Paths

UNITS = Path(__file__).parents[2] / "contrib" / "systemd"
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


class Manager:
    """What systemd does for a service: a socket for its reports, and one that listens before it runs."""

    def __init__(self, directory: str) -> None:
        self.address = os.path.join(directory, "notify")
        self.reports = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.reports.bind(self.address)
        self.reports.settimeout(60)
        self.http = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.http.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, watchdog_s: float = 0.0, activated: bool = False) -> subprocess.Popen[bytes]:
        env = {**os.environ, "NOTIFY_SOCKET": self.address}
        if watchdog_s:
            env["WATCHDOG_USEC"] = str(int(watchdog_s * 1e6))
        lines = ["import os, sys"]
        if activated:
            # As systemd does it: the socket is descriptor 3, and the variable names the process that it is for.
            lines += [
                f"os.dup2({self.http.fileno()}, 3)",
                "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')",
            ]
        lines.append("os.execv(sys.executable, [sys.executable, '-m', 'qmd_daemon'])")
        self.process = subprocess.Popen(
            [sys.executable, "-c", "\n".join(lines)],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(self.http.fileno(),),
        )
        return self.process

    def hears(self, wanted: str) -> list[str]:
        """Its reports until one has that line; that one."""
        while wanted not in (lines := self.reports.recv(4096).decode().split("\n")):
            pass
        return lines

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reports.close()
        self.http.close()


@pytest.fixture
def manager(home: Paths) -> Iterator[Manager]:
    found = Manager(os.environ["QMD_HOME"])
    yield found
    found.close()


def test_ready_alive_and_stopping_are_told(manager: Manager, home: Paths) -> None:
    process = manager.start(watchdog_s=0.6)
    assert any(line.startswith("STATUS=ready") for line in manager.hears("READY=1"))
    assert find_daemon(home) is not None
    manager.hears("WATCHDOG=1")
    manager.hears("WATCHDOG=1")
    process.send_signal(signal.SIGTERM)
    assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in manager.hears("STOPPING=1"))
    assert process.wait(30) == 0


def test_a_daemon_that_hangs_is_not_reported_alive(manager: Manager) -> None:
    process = manager.start(watchdog_s=0.6)
    manager.hears("WATCHDOG=1")
    process.send_signal(signal.SIGSTOP)
    manager.reports.settimeout(0.05)
    try:
        while manager.reports.recv(4096):  # what it had said before
            pass
    except TimeoutError:
        pass
    manager.reports.settimeout(1.5)  # more than twice the watchdog's time
    with pytest.raises(TimeoutError):
        manager.reports.recv(4096)
    process.send_signal(signal.SIGCONT)
    manager.reports.settimeout(60)
    manager.hears("WATCHDOG=1")


def test_the_first_request_waits_for_the_daemon_and_is_answered(manager: Manager) -> None:
    with socket.create_connection(("127.0.0.1", manager.port), timeout=60) as first:
        first.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        manager.start(activated=True)
        said = b""
        while part := first.recv(65536):
            said += part
    assert said.startswith(b"HTTP/1.1 200 ")
    manager.hears("READY=1")
    with urlopen(f"http://127.0.0.1:{manager.port}/ready", timeout=30) as answer:
        assert json.load(answer)["ready"] is True


def test_the_worker_does_not_take_itself_for_the_service(manager: Manager, home: Paths) -> None:
    from ipc.protocol import Embed, Ps, PsReply
    from ipc.sync import SyncClient

    manager.start(activated=True)
    manager.hears("READY=1")
    found: Any = find_daemon(home)
    with SyncClient(found.rpc) as client:
        client.call(Embed(texts=["a"]), timeout_s=60)
        worker = client.call(Ps(), PsReply).pid
    variables = Path(f"/proc/{worker}/environ").read_bytes()
    assert b"NOTIFY_SOCKET" not in variables
    assert b"LISTEN_FDS" not in variables


def unit(path: Path, directory: Path) -> Path:
    """The unit with a program that is there, as `systemd-analyze verify` wants it."""
    text = re.sub(r"(?m)^ExecStart=\S+ ", f"ExecStart={sys.executable} ", path.read_text())
    text = re.sub(r"(?m)^(User|Group)=qmd$", r"\1=root", text)
    copy = directory / path.name
    copy.write_text(text)
    return copy


@needs_systemd
@pytest.mark.parametrize("scope", ["--user", "--system"])
def test_the_units_are_valid(scope: str, tmp_path: Path) -> None:
    names = ["qmd.service", "qmd.socket"] if scope == "--user" else ["system/qmd.service"]
    units = [unit(UNITS / name, tmp_path) for name in names]
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(
        [str(ANALYZE), scope, "--man=no", "verify", *map(str, units)],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "qmd." in line]
    assert (done.returncode, ours) == (0, []), done.stderr


@needs_systemd
def test_what_the_hardening_is_worth(tmp_path: Path) -> None:
    """The score of systemd's own: 0 is closed, 10 is open."""
    scores = {}
    for name in ("qmd.service", "system/qmd.service"):
        done = subprocess.run(
            [str(ANALYZE), "security", "--offline=true", "--no-pager", str(unit(UNITS / name, tmp_path))],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        if found is None:
            pytest.skip(f"this systemd-analyze cannot score a file: {done.stderr.strip()[:200]}")
        scores[name] = float(found[1])
    print(scores)  # noqa: T201 - shown with -s
    assert scores["system/qmd.service"] < 4.0
    assert scores["qmd.service"] < 9.5
