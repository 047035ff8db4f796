from __future__ import annotations

from pathlib import Path

import pytest

from qmd_tui import hardening

ASKED = {"MainPID": "7", "NoNewPrivileges": "yes", "UMask": "0077", "RestrictSUIDSGID": "yes"}
STRICT = ASKED | {"ProtectSystem": "strict", "PrivateTmp": "yes", "ProtectKernelTunables": "yes"}
OURS = """22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
"""
STRICT_MOUNTS = """27 1 8:1 / / ro,relatime - ext4 /dev/sda1 rw
28 27 8:1 /home /home rw,relatime - ext4 /dev/sda1 rw
22 27 0:21 / /proc rw,relatime - proc proc rw
23 22 0:21 /sys /proc/sys ro,relatime - proc proc rw
29 27 8:1 /tmp/systemd-private-1/tmp /tmp rw,relatime - ext4 /dev/sda1 rw
"""


class Proc:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.process("self", {"NoNewPrivs": "0", "Seccomp": "0", "Umask": "0022"}, OURS)

    def process(self, name: str, status: dict[str, str], mounts: str) -> None:
        (self.root / name).mkdir()
        (self.root / name / "status").write_text("".join(f"{key}:\t{value}\n" for key, value in status.items()))
        (self.root / name / "mountinfo").write_text(mounts)


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


DONE = {"NoNewPrivs": "1", "Seccomp": "2", "Umask": "0077"}


def test_what_was_asked_for_is_there(proc: Proc) -> None:
    proc.process("7", DONE, STRICT_MOUNTS)
    found = hardening.examine(STRICT, 7, str(proc.root))
    assert found.state == "ok"
    assert found.message.count(", ") == 5
    # What was not asked for is not told, though it may be there.
    assert "read-only" not in hardening.examine(ASKED, 7, str(proc.root)).message


def test_mounts_that_the_machine_does_not_allow(proc: Proc) -> None:
    proc.process("7", DONE, OURS)
    found = hardening.examine(STRICT, 7, str(proc.root))
    assert found.state == "warn"
    assert "the system is read-only, the kernel's settings are read-only, a /tmp of its own." in found.message
    assert "In effect: no new privileges, system calls are filtered, its files" in found.hint


@pytest.mark.parametrize(("name", "words"), [("NoNewPrivs", "no new privileges"), ("Seccomp", "system calls")])
def test_one_that_is_missing(proc: Proc, name: str, words: str) -> None:
    proc.process("7", DONE | {name: "0"}, OURS)
    found = hardening.examine(ASKED, 7, str(proc.root))
    assert (found.state, words in found.message) == ("warn", True)


def test_a_unit_that_asks_for_none(proc: Proc) -> None:
    proc.process("7", DONE, OURS)
    assert hardening.examine({"MainPID": "7"}, 7, str(proc.root)).message == "The service asks for none."


def test_there_is_nothing_to_look_at(proc: Proc) -> None:
    assert "does not run" in hardening.examine(ASKED, 0).message
    assert "not there any more" in hardening.examine(ASKED, 7, str(proc.root)).message
    assert hardening.examine(ASKED | {"MainPID": "0"}, 9).state == "warn"
