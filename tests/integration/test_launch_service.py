"""Who needs the daemon where it is a service: systemd is asked, by a systemctl that does what the test wants."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ipc import service
from ipc.holder import is_locked
from ipc.launch import ensure_daemon, stop_daemon
from ipc.paths import Paths
from qmd_tui import units
from qmd_tui.cli.main import execute

# Writes down its words; then fails, waits for ever, or starts the daemon as systemd would.
FAKE = f"""#!/bin/sh
echo "$*" >> "$FAKE_CALLS"
case "$FAKE_DOES" in
  fail) echo "Failed to connect to bus: No medium found" >&2; exit 1;;
  hang) exec sleep 600;;
  nothing) exit 0;;
esac
cd / && "{sys.executable}" -P -m qmd_daemon --detached < /dev/null > /dev/null 2>&1 &
"""
ASKED = ["--user start qmd.service"]


class Systemd:
    """A systemctl on the path, and the units of a person."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._calls = root / "calls"
        self._units = root / "systemd" / "user"
        program = root / "bin" / "systemctl"
        program.parent.mkdir()
        program.write_text(FAKE)
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
        monkeypatch.setenv("FAKE_CALLS", str(self._calls))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(root))
        self.does: Callable[[str], None] = lambda what: monkeypatch.setenv("FAKE_DOES", what)

    def enable(self, text: str, target: str = "default.target.wants", name: str = "qmd.service") -> None:
        """What `qmd service install` and `systemctl enable` leave behind."""
        (self._units / target).mkdir(parents=True)
        (self._units / "qmd.service").write_text(text)
        (self._units / name).touch()
        (self._units / target / name).symlink_to(self._units / name)

    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []


@pytest.fixture
def systemd(tmp_path: Path, home: Paths, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    return Systemd(tmp_path, monkeypatch)


def test_systemd_starts_the_service(systemd: Systemd, home: Paths) -> None:
    systemd.enable(units.service())
    said: list[str] = []
    assert ensure_daemon(home, on_wait=said.append).pid
    assert said[0] == "systemd to start the daemon"
    assert ensure_daemon(home, on_wait=said.append).pid
    assert systemd.calls() == ASKED  # who finds one asks nobody
    assert not os.path.exists(home.crash_file)
    assert stop_daemon(home)


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("fail", "Failed to connect to bus: No medium found"),
        ("hang", "it has not answered within 0.2 s"),
        ("nothing", "its daemon does not answer here"),
    ],
)
def test_when_systemd_does_not_it_is_said_and_done_otherwise(
    systemd: Systemd, home: Paths, monkeypatch: pytest.MonkeyPatch, does: str, why: str
) -> None:
    monkeypatch.setattr(service, "START_S", 0.2)
    monkeypatch.setattr(service, "ANSWER_S", 0.2)
    systemd.enable(units.service())
    systemd.does(does)
    said: list[str] = []
    assert ensure_daemon(home, on_wait=said.append).pid
    assert f"the daemon to start; systemd has not started it: {why}" in said
    assert systemd.calls() == ASKED
    assert stop_daemon(home)


def test_a_command_says_it_too(systemd: Systemd, home: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    systemd.enable(units.service())
    systemd.does("fail")
    assert execute(["pull", "no-such-model"]) == 2
    assert "waiting for the daemon to start; systemd has not started it: Failed to connect" in capsys.readouterr().err
    assert stop_daemon(home)


def test_a_socket_is_enough(systemd: Systemd, home: Paths) -> None:
    systemd.enable(units.service(), "sockets.target.wants", "qmd.socket")
    assert service.enabled(home)


def test_the_service_of_another_installation_is_left_alone(systemd: Systemd, home: Paths) -> None:
    assert not service.enabled(home)
    systemd.enable(units.service({"QMD_HOME": "/elsewhere"}))
    assert not service.enabled(home)
    assert not is_locked(home.daemon_lock)


@pytest.mark.parametrize("name", ["plain", 'a "quoted" one', "100% \\ sure"])
def test_the_directory_of_the_unit_is_read_as_it_was_written(systemd: Systemd, tmp_path: Path, name: str) -> None:
    env = {"QMD_HOME": str(tmp_path / name)}
    systemd.enable(units.service(env))
    assert service.enabled(Paths.from_environment(env))
