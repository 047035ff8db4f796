from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ipc.holder import Holder, is_locked, read_holder
from qmd_daemon.singleton import AlreadyRunning, Singleton

HOLDER = Holder(pid=os.getpid(), version="1", protocol=1, rpc="ipc:///r", events="ipc:///e")


HOLD = """
import sys
from qmd_daemon.singleton import Singleton
with Singleton(sys.argv[1]):
    print("held", flush=True)
    input()
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "daemon.lock")


def test_the_second_is_refused_and_told_who_the_first_is(path: str) -> None:
    with Singleton(path) as lock:
        lock.announce(HOLDER)
        with pytest.raises(AlreadyRunning, match=f"pid {os.getpid()}"), Singleton(path):
            pass
        assert read_holder(path) == HOLDER


def test_a_holder_that_has_not_said_who_it_is_still_holds(path: str) -> None:
    with Singleton(path), pytest.raises(AlreadyRunning, match="not said"), Singleton(path):
        pass


def test_a_shorter_announcement_replaces_a_longer_one(path: str) -> None:
    with Singleton(path) as lock:
        lock.announce(Holder(pid=1, version="1", protocol=1, rpc="r", events="e", http="http://127.0.0.1:1"))
        lock.announce(HOLDER)
        assert read_holder(path) == HOLDER


def test_leaving_frees_it_and_forgets_who(path: str) -> None:
    with Singleton(path) as lock:
        lock.announce(HOLDER)
    assert read_holder(path) is None
    assert not is_locked(path)
    with Singleton(path):
        assert is_locked(path)


def test_it_is_for_the_owner_alone(path: str) -> None:
    with Singleton(path):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_a_killed_holder_holds_nothing(path: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert is_locked(path)
        holder.kill()
    with Singleton(path):
        pass


def test_a_child_does_not_inherit_it(path: str) -> None:
    with Singleton(path):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with Singleton(path):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_client_that_looks_is_not_another_daemon(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody holds the lock shared at the first attempt, and has let go of it at the second."""
    looking = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr("qmd_daemon.singleton.time.sleep", lambda _: os.close(looking))
    with Singleton(path):
        assert is_locked(path)
