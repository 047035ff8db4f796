"""`qmd service` with a systemctl that only writes down what it is told: units, order, and what goes wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.integration.program import Qmd

# Writes down its words, and fails at the word that FAKE_FAILS has.
FAKE = """#!/bin/sh
echo "$(basename "$0") $*" >> "$FAKE_CALLS"
case " $* " in *" ${FAKE_FAILS:-none} "*) echo "Failed to connect to bus: No medium found" >&2; exit 1;; esac
case "$*" in *is-active*) echo active;; *Linger*) echo "${FAKE_LINGER:-no}";; esac
"""


class Service:
    """The program, with systemd's programs replaced, in a home of its own."""

    def __init__(self, root: Path) -> None:
        self.qmd = Qmd(root, {})
        self._calls = root / "calls"
        programs = root / "bin"
        programs.mkdir()
        for name in ("systemctl", "loginctl", "journalctl"):
            (programs / name).write_text(FAKE)
            (programs / name).chmod(0o755)
        self.units = root / "config" / "systemd" / "user"
        self.qmd.env |= {
            "PATH": f"{programs}:/usr/bin:/bin",
            "FAKE_CALLS": str(self._calls),
            "XDG_CONFIG_HOME": str(root / "config"),
        }

    def calls(self) -> list[str]:
        """What was asked since the last time, without questions."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        self._calls.unlink(missing_ok=True)
        return [line for line in lines if "show" not in line]


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def test_installed_shown_and_taken_away_again(service: Service) -> None:
    done = service.qmd("service", "install")
    assert (done.returncode, done.stdout) == (0, f"installed: {service.units}/qmd.service\n"), done.stderr
    assert "loginctl enable-linger" in done.stderr
    assert service.calls() == ["systemctl --user daemon-reload", "systemctl --user enable --now qmd.service"]
    assert sorted(os.listdir(service.units)) == ["qmd.service"]
    text = (service.units / "qmd.service").read_text()
    assert f'ExecStart="{sys.executable}" -P -m qmd_daemon\n' in text
    assert f'Environment="QMD_HOME={service.qmd.env["QMD_HOME"]}"\n' in text

    assert service.qmd("service", "status").returncode == 0
    assert service.qmd("service", "logs", "-n", "3", "-f").returncode == 0
    assert service.calls() == [
        "systemctl --user --no-pager status qmd.service",
        "journalctl --user --no-pager --unit=qmd.service --lines=3 --follow",
    ]

    assert service.qmd.ok("service", "uninstall") == "uninstalled\n"
    assert service.calls() == ["systemctl --user disable --now qmd.service", "systemctl --user daemon-reload"]
    assert os.listdir(service.units) == []
    assert service.qmd.ok("service", "uninstall") == "not installed\n"
    assert service.calls() == []


def test_the_first_request_may_start_it(service: Service) -> None:
    service.qmd.env |= {"QMD_HTTP_PORT": "18999", "FAKE_LINGER": "yes"}
    done = service.qmd("service", "install", "--socket")
    assert (done.returncode, done.stderr) == (0, "")
    assert service.calls()[-1] == "systemctl --user enable --now qmd.socket"
    assert "ListenStream=127.0.0.1:18999\n" in (service.units / "qmd.socket").read_text()
    # Another kind takes the place of the first one.
    service.qmd.ok("service", "install")
    assert service.calls() == [
        "systemctl --user disable --now qmd.socket qmd.service",
        "systemctl --user daemon-reload",
        "systemctl --user enable --now qmd.service",
    ]
    assert os.listdir(service.units) == ["qmd.service"]


def test_no_port_cannot_be_opened(service: Service) -> None:
    done = service.qmd("service", "install", "--socket")  # QMD_HTTP_PORT=0: any that is free
    assert (done.returncode, "no HTTP port" in done.stderr) == (2, True)
    assert not service.units.exists()


def test_without_systemd_nothing_is_written(service: Service, tmp_path: Path) -> None:
    service.qmd.env["PATH"] = str(tmp_path / "nowhere")
    done = service.qmd("service", "install")
    assert done.returncode == 3
    assert "systemd is not here" in done.stderr
    assert "qmd server" in done.stderr
    assert not service.units.exists()


def test_a_systemd_that_does_not_answer_says_why(service: Service) -> None:
    service.qmd.env["FAKE_FAILS"] = "--property=Version"
    done = service.qmd("service", "install")
    assert done.returncode == 3
    assert "Failed to connect to bus: No medium found." in done.stderr
    assert "loginctl enable-linger" in done.stderr
    assert not service.units.exists()


def test_what_systemd_refuses_is_told(service: Service) -> None:
    service.qmd.env["FAKE_FAILS"] = "enable"
    done = service.qmd("service", "install")
    assert done.returncode == 3
    assert "`systemctl --user enable --now qmd.service`: Failed to connect" in done.stderr


@pytest.mark.parametrize("action", ["status", "logs"])
def test_there_is_none_yet(service: Service, action: str) -> None:
    done = service.qmd("service", action)
    assert (done.returncode, "qmd service install" in done.stderr) == (1, True)


def test_one_that_was_started_by_a_command_makes_room(service: Service) -> None:
    service.qmd.ok("collection", "add", ".", cwd=service.qmd.fixtures)
    service.qmd.ok("service", "install")
    assert service.qmd.ok("stop") == "not running\n"
