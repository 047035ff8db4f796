"""Finding and starting the daemon, with real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from ipc import transport
from ipc.errors import DaemonUnreachable, ProtocolMismatch, QmdError
from ipc.holder import is_locked, read_holder
from ipc.launch import Endpoint, ensure_daemon, find_daemon, stop_daemon
from ipc.paths import Paths, private_dir

LAUNCH = """
import json, sys
from ipc.launch import ensure_daemon
from ipc.paths import Paths
from ipc.sync import SyncClient
endpoint = ensure_daemon(Paths.from_environment())
with SyncClient(endpoint.rpc) as client:
    json.dump([endpoint.pid, client.ping(timeout_s=30).pid], sys.stdout)
"""


def stop(paths: Paths) -> None:
    assert stop_daemon(paths) or not is_locked(paths.daemon_lock)


class TestRace:
    def test_fifty_at_once_get_one_daemon(self, home: Paths) -> None:
        racers = [subprocess.Popen([sys.executable, "-c", LAUNCH], stdout=subprocess.PIPE) for _ in range(50)]
        answers = [json.loads(racer.communicate()[0]) for racer in racers]
        assert [racer.returncode for racer in racers] == [0] * 50
        assert len({pid for answer in answers for pid in answer}) == 1
        holder = read_holder(home.daemon_lock)
        assert holder is not None
        assert answers[0] == [holder.pid, holder.pid]
        with open(home.log_file, encoding="utf-8") as log:
            assert log.read().count('"daemon.ready"') == 1
        assert stop_daemon(home) == holder.pid
        assert not is_locked(home.daemon_lock)

    def test_many_threads_of_one_program(self, home: Paths) -> None:
        """As when a TUI and its helpers start together: the lock is each opening's own."""
        found: list[Endpoint] = []
        threads = [threading.Thread(target=lambda: found.append(ensure_daemon(home))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(found)) == 1
        assert len(found) == 8
        stop(home)


class TestEnsure:
    def test_it_says_what_it_waits_for_and_then_finds_it(self, home: Paths) -> None:
        said: list[str] = []
        endpoint = ensure_daemon(home, on_wait=said.append)
        assert "the daemon to start" in said
        assert endpoint.http.startswith("http://127.0.0.1:")
        said.clear()
        assert ensure_daemon(home, on_wait=said.append) == endpoint
        assert said == []
        assert find_daemon(home) == endpoint
        stop(home)
        assert find_daemon(home) is None

    def test_what_a_killed_daemon_left_behind_is_no_obstacle(self, home: Paths) -> None:
        first = ensure_daemon(home)
        os.kill(first.pid, signal.SIGKILL)
        second = ensure_daemon(home)
        assert second.pid != first.pid
        stop(home)

    def test_stale_sockets_without_a_lock(self, home: Paths) -> None:
        private_dir(home.runtime)
        for address in (home.rpc, home.events):
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(transport.path_of(address))
        assert find_daemon(home) is None
        ensure_daemon(home)
        stop(home)

    def test_a_directory_too_long_for_sockets(self, home: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
        deep = os.path.join(os.environ["QMD_HOME"], "long" * 20, "name" * 20)
        monkeypatch.setenv("QMD_HOME", deep)
        paths = Paths.from_environment()
        assert not paths.runtime.startswith(deep)
        endpoint = ensure_daemon(paths)
        assert find_daemon(paths) == endpoint
        stop(paths)
        os.rmdir(paths.runtime)

    def test_a_relative_home_is_the_same_for_client_and_daemon(
        self, home: Paths, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(os.environ["QMD_HOME"])
        monkeypatch.setenv("QMD_HOME", "here")
        paths = Paths.from_environment()
        ensure_daemon(paths)
        stop(paths)

    def test_a_client_without_the_runtime_directory_finds_the_daemon_by_its_lock(
        self, home: Paths, tmp_path: Path
    ) -> None:
        """As from cron, while the daemon was started in a login session."""
        ensure_daemon(home)
        elsewhere = home._replace(runtime=str(tmp_path / "run"))
        endpoint = ensure_daemon(elsewhere)
        assert endpoint.rpc == home.rpc
        assert stop_daemon(elsewhere) == endpoint.pid


class TestFailure:
    def test_a_daemon_that_cannot_start_is_reported_at_once_in_its_own_words(self, home: Paths) -> None:
        with open(home.config_file, "w", encoding="utf-8") as file:
            file.write("[engine]\nkimd = 'fake'\n")
        started = time.monotonic()
        with pytest.raises(DaemonUnreachable) as caught:
            ensure_daemon(home, wait_s=60)
        assert "kimd" in caught.value.message
        assert "Did you mean 'kind'?" in caught.value.message
        assert home.log_file in caught.value.hint
        assert time.monotonic() - started < 30

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
    def test_a_runtime_directory_of_somebody_else(self, home: Paths) -> None:
        os.makedirs(home.runtime)
        os.chown(home.runtime, 12345, 12345)
        with pytest.raises(QmdError, match="belongs to user 12345"):
            ensure_daemon(home)
        done = subprocess.run(
            [sys.executable, "-m", "qmd_daemon"], stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
        assert done.returncode == 3
        assert "belongs to user 12345" in done.stderr

    def test_a_runtime_directory_that_is_a_file(self, home: Paths) -> None:
        with open(home.runtime, "w", encoding="utf-8"):
            pass
        with pytest.raises(QmdError, match="run"):
            ensure_daemon(home)

    def test_a_daemon_that_hangs_is_named(self, home: Paths) -> None:
        pid = ensure_daemon(home).pid
        os.kill(pid, signal.SIGSTOP)
        try:
            assert find_daemon(home, 0.2) is None
            with pytest.raises(DaemonUnreachable, match=f"pid {pid}"):
                ensure_daemon(home, wait_s=3)
            with pytest.raises(DaemonUnreachable, match=f"pid {pid}"):
                stop_daemon(home, wait_s=1)
        finally:
            os.kill(pid, signal.SIGCONT)
        stop(home)

    def test_no_daemon_to_stop(self, home: Paths) -> None:
        assert stop_daemon(home) == 0


class OldDaemon(threading.Thread):
    """Answers pings in another version of the protocol, until it is asked to stop."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._listener = transport.Listener(self._router, address)
        self.start()

    def run(self) -> None:
        pong: dict[str, Any] = {"protocol": 99, "version": "9.9", "pid": 4711, "ready": True, "state": "ready"}
        asked = ""
        while asked != "shutdown":
            peer, (body,) = transport.read_frames(self._router.recv_multipart())
            request = json.loads(body)
            asked = request["op"]
            reply = {"id": request["id"], "ok": True, "done": True} | (pong if asked == "ping" else {})
            self._router.send_multipart(peer.frames(json.dumps(reply).encode()))
        self._listener.remove()
        self._router.close(1000)
        self._context.term()


@pytest.fixture
def old_daemon(home: Paths) -> Iterator[OldDaemon]:
    private_dir(home.runtime)
    running = OldDaemon(home.rpc)
    yield running
    running.join(10)
    assert not running.is_alive()


def test_a_daemon_of_another_protocol_is_told_apart_and_can_be_stopped(home: Paths, old_daemon: OldDaemon) -> None:
    look: list[Callable[[Paths], object]] = [find_daemon, ensure_daemon]
    for each in look:
        with pytest.raises(ProtocolMismatch, match="99"):
            each(home)
    assert stop_daemon(home) == 4711
