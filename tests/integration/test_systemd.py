"""The units under a real systemd: that of a user, in a mount namespace where the machine looks booted with it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

UNITS = Path(__file__).parents[2] / "contrib" / "systemd"
SYSTEMD = "/lib/systemd/systemd"
# Wherever this kernel has process groups that systemd keeps services in. Two managers in the same one would end each
# other's services of the same name.
GROUPS = [Path("/sys/fs/cgroup", name) for name in ("", "systemd", "unified")]
# What is a file system of its own here, so that nothing of it is seen outside.
BOOTED = (
    "for at in {groups}; do [ ! -f $at/cgroup.procs ] ||"
    " {{ mkdir $at/{name} && echo $$ > $at/{name}/cgroup.procs; }}; done;"
    f" mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec {SYSTEMD} --user"
)


class User:
    """A service manager with our units, and what a person would type."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self._runtime = directory / "run"
        self._runtime.mkdir(mode=0o700)
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("QMD_", "XDG_", "DBUS_"))},
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self._runtime),
        }
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._install(directory)
        self._group = directory.name
        booted = BOOTED.format(groups=" ".join(map(str, GROUPS)), name=self._group)
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", booted]
        self.process = subprocess.Popen(command, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _install(self, directory: Path) -> None:
        """The units as they are, with this interpreter, this port, an installation here, and a quick watchdog."""
        units = self.home / ".config" / "systemd" / "user"
        units.mkdir(parents=True)
        service = (UNITS / "qmd.service").read_text()
        service = re.sub(r"(?m)^ExecStart=.*$", f"ExecStart={sys.executable} -m qmd_daemon", service)
        ours = f"QMD_HOME={directory}/qmd QMD_ENGINE=fake QMD_HTTP_PORT={self.port}"
        service = service.replace("WatchdogSec=60", f"WatchdogSec=2\nEnvironment={ours}")
        (units / "qmd.service").write_text(service)
        (units / "qmd.socket").write_text((UNITS / "qmd.socket").read_text().replace("18765", str(self.port)))

    def ctl(self, *words: str) -> str:
        done = subprocess.run(
            ["nsenter", f"--target={self.process.pid}", "--mount", "systemctl", "--user", *words],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return (done.stdout + done.stderr).strip()

    def qmd(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of the program, where this manager is the machine's."""
        ours = {"QMD_HOME": str(self.home / "a 100% qmd"), "QMD_ENGINE": "fake", "QMD_HTTP_PORT": str(self.port)}
        return subprocess.run(
            ["nsenter", f"--target={self.process.pid}", "--mount", sys.executable, "-m", "qmd_tui.cli.main", *words],
            env=self.env | ours,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def shows(self, name: str) -> str:
        return self.ctl("show", "qmd.service", f"--property={name}", "--value")

    def health(self) -> dict[str, object]:
        with urlopen(f"http://127.0.0.1:{self.port}/health", timeout=60) as answer:
            found: dict[str, object] = json.load(answer)
        return found

    def close(self) -> None:
        self.ctl("stop", "qmd.socket", "qmd.service")
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for group in GROUPS:
            for empty, _, _ in os.walk(group / self._group, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(empty)


def _missing() -> str:
    if not os.path.exists(SYSTEMD) or not shutil.which("systemctl") or not shutil.which("nsenter"):
        return "systemd is not installed"
    if os.getuid() != 0:
        return "only root may mount in a namespace of its own"
    return ""


@pytest.fixture
def user(wait_until: Callable[..., object]) -> Iterator[User]:
    if reason := _missing():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="qmd-") as directory:
        found = User(Path(directory))
        try:
            wait_until(lambda: found.process.poll() is not None or _answers(found), "the service manager", 20)
            if found.process.poll() is not None:
                pytest.skip(f"systemd --user does not run here: it ended with {found.process.returncode}")
            yield found
        finally:
            found.close()


def _answers(user: User) -> bool:
    return user.ctl("is-system-running") in {"running", "degraded"}


def test_started_it_is_ready_and_stopped_it_is_gone(user: User) -> None:
    assert user.ctl("start", "qmd.service") == ""
    assert (user.shows("ActiveState"), user.shows("SubState")) == ("active", "running")
    assert user.shows("StatusText").startswith("ready")
    assert str(user.health()["pid"]) == user.shows("MainPID")
    first = user.shows("MainPID")
    assert user.ctl("reload", "qmd.service") == ""
    assert (str(user.health()["pid"]), user.shows("NRestarts")) == (first, "0")
    assert user.ctl("stop", "qmd.service") == ""
    assert (user.shows("ActiveState"), user.shows("Result")) == ("inactive", "success")


def test_killed_it_is_started_again(user: User, wait_until: Callable[..., object]) -> None:
    user.ctl("start", "qmd.service")
    first = user.shows("MainPID")
    os.kill(int(first), signal.SIGKILL)
    wait_until(lambda: user.shows("NRestarts") == "1" and user.shows("ActiveState") == "active", "a restart")
    assert user.shows("MainPID") not in {first, "0"}


def test_hanging_it_is_ended_and_started_again(user: User, wait_until: Callable[..., object]) -> None:
    user.ctl("start", "qmd.service")
    first = user.shows("MainPID")
    os.kill(int(first), signal.SIGSTOP)
    wait_until(lambda: user.shows("NRestarts") == "1" and user.shows("ActiveState") == "active", "a restart", 60)
    assert user.shows("MainPID") not in {first, "0"}


def test_the_first_request_starts_it(user: User) -> None:
    assert user.ctl("start", "qmd.socket") == ""
    assert user.shows("ActiveState") == "inactive"
    assert user.health()["ready"] is True
    assert user.shows("ActiveState") == "active"


def test_what_would_change_nothing_is_not_tried_again(user: User, wait_until: Callable[..., object]) -> None:
    with socket.create_server(("127.0.0.1", user.port)):
        user.ctl("start", "qmd.service")
        wait_until(lambda: user.shows("ActiveState") == "failed", "the end")
    assert (user.shows("ExecMainStatus"), user.shows("NRestarts")) == ("12", "0")


def test_a_command_installs_it_and_takes_it_away(user: User) -> None:
    installed = user.qmd("service", "install")
    assert installed.returncode == 0, installed.stderr
    assert (user.shows("ActiveState"), user.ctl("is-enabled", "qmd.service")) == ("active", "enabled")
    assert str(user.health()["pid"]) == user.shows("MainPID")
    # The commands find the same daemon.
    told = user.qmd("doctor").stdout
    assert f"Process {user.shows('MainPID')} answers" in told
    ours = "no new privileges, system calls are filtered, its files are for you alone"
    assert f"ok    hardening: In effect: {ours}.\n" in told
    status = user.qmd("service", "status")
    assert (status.returncode, "active (running)" in status.stdout) == (0, True)

    # Who needs the daemon when it has been stopped has systemd start it.
    assert user.qmd("stop").returncode == 0
    asked = user.qmd("pull", "no-such-model")
    assert (asked.returncode, "waiting for systemd to start the daemon" in asked.stderr) == (2, True), asked.stderr
    assert str(user.health()["pid"]) == user.shows("MainPID")

    activated = user.qmd("service", "install", "--socket")
    assert activated.returncode == 0, activated.stderr
    assert user.shows("ActiveState") == "inactive"
    assert user.health()["ready"] is True

    gone = user.qmd("service", "uninstall")
    assert (gone.returncode, gone.stdout) == (0, "uninstalled\n"), gone.stderr
    assert user.ctl("is-active", "qmd.service", "qmd.socket") == "inactive\ninactive"
