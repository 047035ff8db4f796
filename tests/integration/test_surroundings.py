"""Directories, sockets and locks that are not as they should be: it works, or says clearly why not; it never hangs."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ipc import transport
from ipc.launch import find_daemon
from ipc.paths import Paths, private_dir
from tests.integration.program import Qmd

NOTES = {"a.md": "# Apples\n\nThey keep in a cool place.\n"}
XDG = ("CONFIG_HOME", "DATA_HOME", "STATE_HOME", "CACHE_HOME", "RUNTIME_DIR")
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")


@pytest.fixture
def qmd(home: Paths, tmp_path: Path) -> Iterator[Qmd]:
    """The program, and nothing indexed. What it has started is killed."""
    program = Qmd(tmp_path, NOTES)
    program.env["QMD_HOME"] = os.environ["QMD_HOME"]
    yield program
    if left := find_daemon(Paths.from_environment(program.env), 0.5):
        os.kill(left.pid, signal.SIGKILL)


def works(qmd: Qmd) -> None:
    qmd.ok("collection", "add", str(qmd.fixtures), "--name", "notes")
    assert "qmd://notes/a.md" in qmd.ok("vsearch", "apples in a cool place")


def explains(qmd: Qmd, *words: str) -> None:
    """`vsearch` and `server` do not work, and say why in a few lines."""
    for command in (["vsearch", "apples"], ["server"]):
        done = qmd(*command)
        assert (done.returncode, done.stdout) in {(2, ""), (3, "")}, done.stderr
        assert all(word in done.stderr for word in words), done.stderr
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) < 10


# -- the runtime directory -------------------------------------------------------------------


def test_in_the_directories_of_the_desktop_and_then_without(qmd: Qmd, tmp_path: Path) -> None:
    """A daemon that was started in a login session is found from cron, where XDG_RUNTIME_DIR is missing."""
    del qmd.env["QMD_HOME"]
    (tmp_path / "RUNTIME_DIR").mkdir(mode=0o700)
    qmd.env |= {f"XDG_{name}": str(tmp_path / name) for name in XDG}
    works(qmd)
    assert (tmp_path / "RUNTIME_DIR" / "qmd" / "rpc.sock").is_socket()
    session = qmd.env.pop("XDG_RUNTIME_DIR")
    assert "qmd://notes/a.md" in qmd.ok("query", "apples")
    assert qmd("vsearch", "apples").stderr == ""  # nothing had to be started
    qmd.env["XDG_RUNTIME_DIR"] = session
    assert qmd.ok("stop") == "stopped\n"


def test_a_path_too_long_for_sockets(qmd: Qmd, tmp_path: Path) -> None:
    qmd.env["QMD_HOME"] = str(tmp_path / ("long" * 30) / ("目录" * 20))
    works(qmd)
    assert qmd.ok("stop") == "stopped\n"
    os.rmdir(Paths.from_environment(qmd.env).runtime)


@needs_root
def test_somebody_elses_runtime_directory(qmd: Qmd, home: Paths) -> None:
    os.mkdir(home.runtime)
    os.chown(home.runtime, 12345, 12345)
    explains(qmd, home.runtime, "belongs to user 12345", "Set QMD_HOME")


@needs_root
def test_somebody_elses_socket_is_not_spoken_to(qmd: Qmd, home: Paths) -> None:
    """It could hear what is searched for. The directory is ours, so it may be replaced."""
    private_dir(home.runtime)
    with socket.socket(socket.AF_UNIX) as trap:
        trap.bind(transport.path_of(home.rpc))
        trap.listen()
        os.chown(transport.path_of(home.rpc), 12345, 12345)
        works(qmd)
        trap.setblocking(False)
        with pytest.raises(BlockingIOError):
            trap.accept()
    assert qmd.ok("stop") == "stopped\n"


# -- what lies in it -------------------------------------------------------------------------


def _stale(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)


@pytest.mark.parametrize("leave", [_stale, lambda path: Path(path).write_text("x")], ids=["a stale socket", "a file"])
def test_what_lies_where_the_sockets_go(qmd: Qmd, home: Paths, leave: Callable[[str], object]) -> None:
    private_dir(home.runtime)
    for address in (home.rpc, home.events):
        leave(transport.path_of(address))
    works(qmd)
    assert qmd.ok("stop") == "stopped\n"


def test_a_socket_of_a_program_that_never_answers(qmd: Qmd, home: Paths) -> None:
    private_dir(home.runtime)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(transport.path_of(home.rpc))
        mute.listen()
        explains(qmd, "Another daemon listens on", transport.path_of(home.rpc))


def test_directories_where_the_sockets_go(qmd: Qmd, home: Paths) -> None:
    os.makedirs(transport.path_of(home.rpc))
    explains(qmd, transport.path_of(home.rpc))


# -- the locks and the data ------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    ["", "{", '{"pid": 1}', '{"pid": 1, "version": "1", "protocol": 1, "rpc": "tcp://x", "events": ""}', "\0" * 99],
)
def test_a_lock_file_that_says_nothing(qmd: Qmd, home: Paths, content: str) -> None:
    Path(home.daemon_lock).write_text(content)
    works(qmd)
    assert qmd.ok("stop") == "stopped\n"


def test_a_lock_that_cannot_be_opened(qmd: Qmd, home: Paths) -> None:
    os.mkdir(home.daemon_lock)
    explains(qmd, "Cannot open the lock", home.daemon_lock)
    os.rmdir(home.daemon_lock)
    os.unlink(home.launch_lock)
    os.mkdir(home.launch_lock)
    done = qmd("vsearch", "apples")
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    assert home.launch_lock in done.stderr


@needs_root
def test_somebody_elses_data(qmd: Qmd, home: Paths) -> None:
    os.chown(home.data, 12345, 12345)
    explains(qmd, home.data, "belongs to user 12345")


def test_data_where_a_file_is(qmd: Qmd, home: Paths) -> None:
    os.rmdir(home.data)
    Path(home.data).write_text("")
    explains(qmd, home.data)
