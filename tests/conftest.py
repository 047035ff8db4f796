"""Shared by all tests: an installation of its own, a real daemon in it, and waiting without sleeping blindly."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import pytest
from hypothesis import HealthCheck, settings

from ipc.launch import Endpoint, ensure_daemon, find_daemon
from ipc.paths import Paths
from ipc.sync import SyncClient

# The same examples each time, and no clock: a busy machine is not a wrong program.
settings.register_profile("qmd", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("qmd")

T = TypeVar("T")
POLL_S = 0.02
START_S = 60.0


def wait_until(look: Callable[[], T], deadline_s: float = 20.0, what: str = "the condition") -> T:
    """Look again and again until the result is true, and return it; fail after `deadline_s`."""
    end = time.monotonic() + deadline_s
    while not (found := look()):
        if time.monotonic() > end:
            pytest.fail(f"{what} did not come within {deadline_s:g} s")
        time.sleep(POLL_S)
    return found


class Daemon(NamedTuple):
    """A daemon of the test's own."""

    paths: Paths
    endpoint: Endpoint
    process: subprocess.Popen[bytes]

    def connect(self) -> SyncClient:
        """A client, to be entered."""
        return SyncClient(self.endpoint.rpc)


def start_daemon(paths: Paths, *flags: str) -> Daemon:
    """Start `python -m qmd_daemon` in the environment as it is, and wait until it is ready."""
    with open(os.path.join(paths.state, "stderr"), "wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "qmd_daemon", "--detached", *flags], stdin=subprocess.DEVNULL, stderr=stderr
        )

    def ready() -> Endpoint | None:
        if process.poll() is not None:
            with open(stderr.name, encoding="utf-8") as said:
                pytest.fail(f"the daemon ended with {process.returncode}: {said.read()}")
        return find_ready(paths)

    return Daemon(paths, wait_until(ready, START_S, "a daemon that is ready"), process)


def find_ready(paths: Paths) -> Endpoint | None:
    found = find_daemon(paths)
    if found is None:
        return None
    with SyncClient(found.rpc) as client:
        pong = client.ping(timeout_s=5)
    return found._replace(http=pong.http) if pong.ready else None


def stop_process(process: subprocess.Popen[bytes], deadline_s: float = 20.0) -> int:
    """SIGTERM, and the exit code. Kills what does not go by itself, and fails the test."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(deadline_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        pytest.fail(f"the daemon has not stopped within {deadline_s:g} s of SIGTERM")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    """An empty installation with the fake engine, in a directory short enough for sockets."""
    directory = tempfile.mkdtemp(prefix="qmd-")
    monkeypatch.setenv("QMD_HOME", directory)
    monkeypatch.setenv("QMD_HTTP_PORT", "0")
    monkeypatch.setenv("QMD_ENGINE", "fake")
    for variable in ("QMD_MODEL", "QMD_DEVICE", "QMD_LOG_LEVEL"):
        monkeypatch.delenv(variable, raising=False)
    paths = Paths.from_environment()
    for part in (paths.config, paths.data, paths.state):
        os.makedirs(part)
    yield paths
    if left := find_daemon(paths, 0.5):
        os.kill(left.pid, signal.SIGKILL)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def daemon(home: Paths) -> Iterator[Daemon]:
    """A real daemon process, stopped with SIGTERM afterwards, which it must obey."""
    running = start_daemon(home)
    yield running
    if running.process.poll() is None:
        assert stop_process(running.process) == 0


@pytest.fixture
def launched(home: Paths) -> Endpoint:
    """A daemon that was launched as any client launches it."""
    return ensure_daemon(home, wait_s=START_S)


@pytest.fixture
def ask(daemon: Daemon) -> Iterator[SyncClient]:
    """A client connected to the test's daemon."""
    with daemon.connect() as client:
        yield client


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


Json = dict[str, Any]
