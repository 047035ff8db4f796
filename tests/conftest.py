"""Shared by all tests: an installation of its own, a real daemon in it, and waiting without sleeping blindly."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NoReturn, Protocol, TypeVar

import pytest
from hypothesis import HealthCheck, settings

from ipc.launch import Endpoint, find_daemon
from ipc.paths import Paths
from ipc.sync import SyncClient

# The same examples each time, and no clock: a busy machine is not a wrong program.
settings.register_profile("qmd", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("qmd")

T = TypeVar("T")
POLL_S = 0.02
START_S = 60.0
PROGRAM = ("-m", "qmd_daemon")
STOP_S = 20.0


class WaitUntil(Protocol):
    """Look again and again until the result is true, and return it; fail the test after `deadline_s`."""

    def __call__(self, look: Callable[[], T], what: str = ..., deadline_s: float = ...) -> T: ...


def _wait_until(look: Callable[[], T], what: str = "the condition", deadline_s: float = 30.0) -> T:
    end = time.monotonic() + deadline_s
    while not (found := look()):
        if time.monotonic() > end:
            pytest.fail(f"{what} did not come within {deadline_s:g} s")
        time.sleep(POLL_S)
    return found


@pytest.fixture
def wait_until() -> WaitUntil:
    return _wait_until


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


class Daemon:
    """`python -m qmd_daemon --detached` in the environment as it is, as a child of the test."""

    def __init__(
        self, paths: Paths, *flags: str, env: Mapping[str, str] | None = None, program: Sequence[str] = PROGRAM
    ) -> None:
        self.paths = paths
        self._stderr = os.path.join(paths.state, "stderr")
        with open(self._stderr, "wb") as stderr:
            command = [sys.executable, *program, "--detached", *flags]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=stderr, env=env)

    @property
    def stderr(self) -> str:
        with open(self._stderr, encoding="utf-8") as file:
            return file.read()

    @property
    def log(self) -> str:
        with open(self.paths.log_file, encoding="utf-8") as file:
            return file.read()

    def wait_ready(self) -> Endpoint:
        self.endpoint = _wait_until(self._ready, "a daemon that is ready", START_S)
        return self.endpoint

    def connect(self) -> SyncClient:
        """A client, to be entered."""
        return SyncClient(self.endpoint.rpc)

    def wait(self) -> int:
        """The exit code. What does not go by itself is killed, and fails the test."""
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self._fail("has not stopped")

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.terminate()
        return self.wait()

    def kill(self) -> None:
        """SIGKILL: no part of the daemon has a say."""
        self.process.kill()
        self.process.wait()

    def _ready(self) -> Endpoint | None:
        if self.process.poll() is not None:
            self._fail(f"ended with {self.process.returncode}")
        found = find_daemon(self.paths)
        if found is None:
            return None
        with SyncClient(found.rpc) as client:
            pong = client.ping(timeout_s=5)
        return found._replace(http=pong.http) if pong.ready else None

    def _fail(self, what: str) -> NoReturn:
        pytest.fail(f"the daemon {what}: {self.stderr}")


@pytest.fixture
def start_daemon(home: Paths) -> Iterator[Callable[..., Daemon]]:
    """A function that starts a daemon with these flags and does not wait for it. What is left is killed."""
    started: list[Daemon] = []

    def start(*flags: str, program: Sequence[str] = PROGRAM) -> Daemon:
        started.append(Daemon(home, *flags, program=program))
        return started[-1]

    yield start
    for daemon in started:
        daemon.kill()


@pytest.fixture
def daemon(start_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    """A real daemon process that is ready. Stopped with SIGTERM afterwards, which it must obey."""
    running = start_daemon()
    running.wait_ready()
    yield running
    if running.process.poll() is None:
        assert running.terminate() == 0, running.stderr


@pytest.fixture(scope="module")
def shared_daemon() -> Iterator[Daemon]:
    """The same for all tests of a module, in an installation of its own that the environment does not show."""
    with tempfile.TemporaryDirectory(prefix="qmd-") as directory:
        ours = {"QMD_HOME": directory, "QMD_HTTP_PORT": "0", "QMD_ENGINE": "fake"}
        env = {name: value for name, value in os.environ.items() if not name.startswith("QMD_")} | ours
        paths = Paths.from_environment(env)
        os.makedirs(paths.state)
        running = Daemon(paths, env=env)
        try:
            running.wait_ready()
            yield running
            assert running.terminate() == 0, running.stderr
        finally:
            running.kill()


@pytest.fixture
def client(daemon: Daemon) -> Iterator[SyncClient]:
    """Connected to the test's daemon."""
    with daemon.connect() as client:
        yield client
