"""Whose directories they are, who may look into them, how much room is left, and what time it is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ipc.finding import Finding
from ipc.paths import Paths
from qmd_daemon.checkup import places

NOW = 1_800_000_000.0


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    found = Paths.from_environment({"QMD_HOME": str(tmp_path)})
    for part in (found.config, found.data, found.state):
        os.mkdir(part, 0o700)
    yield found
    for part in (found.config, found.data, found.state):
        if os.path.isdir(part):
            os.chmod(part, 0o700)


def look(paths: Paths) -> dict[str, Finding]:
    return {one.check: one for one in places.directories(paths)}


def test_what_is_ours_alone_and_what_is_not_there_yet(paths: Paths) -> None:
    found = look(paths)
    assert {one.state for one in found.values()} == {"ok"}
    assert found["data directory"].message == paths.data
    assert found["cache directory"].message.endswith("is not there yet.")
    assert "secrets" not in found


@pytest.mark.parametrize(
    ("mode", "state", "said"), [(0o755, "warn", "Others may look into"), (0o500, "fail", "may not be written by you")]
)
def test_wrong_permissions_come_with_the_command_that_rights_them(
    paths: Paths, mode: int, state: str, said: str
) -> None:
    os.chmod(paths.data, mode)
    found = look(paths)["data directory"]
    assert (found.state, found.hint) == (state, f"`chmod 700 {paths.data}`")
    assert said in found.message
    assert f"{mode:04o}" in found.message


def test_a_file_in_the_place_of_a_directory(paths: Paths) -> None:
    os.rmdir(paths.state)
    Path(paths.state).touch()
    assert look(paths)["state directory"].state == "fail"


def test_somebody_elses_directory(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    found = look(paths)["data directory"]
    assert found.state == "fail"
    assert f"belongs to user {mine}" in found.message


@pytest.mark.parametrize(("mode", "state"), [(0o600, "ok"), (0o640, "fail")])
def test_the_hashes_of_tokens_are_nobody_elses_business(paths: Paths, mode: int, state: str) -> None:
    Path(paths.grants_file).touch()
    os.chmod(paths.grants_file, mode)
    assert look(paths)["secrets"].state == state


@pytest.mark.parametrize(("free", "state"), [(50_000_000, "fail"), (500_000_000, "warn"), (5_000_000_000, "ok")])
def test_room(paths: Paths, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    asked: list[str] = []

    def usage(path: str) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=free)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert places.room(os.path.join(paths.data, "not", "there")).state == state
    assert asked == [paths.data]


def test_a_clock_that_was_never_set(paths: Paths) -> None:
    assert places.clock(paths, "index", now=1000.0).state == "fail"
    assert places.clock(paths, "index", now=NOW).state == "ok"


@pytest.mark.parametrize(("ahead_s", "state"), [(60, "ok"), (3600, "warn")])
def test_a_clock_that_was_set_back(paths: Paths, ahead_s: int, state: str) -> None:
    database = Path(paths.database())
    database.parent.mkdir(parents=True)
    database.touch()
    os.utime(database, (NOW + ahead_s, NOW + ahead_s))
    assert places.clock(paths, "index", now=NOW).state == state
