"""How the daemon comes and goes, with real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ipc import transport
from ipc.errors import QmdError
from ipc.holder import is_locked, read_holder
from ipc.launch import stop_daemon
from ipc.paths import Paths
from ipc.protocol import CollectionAdd, Embed, JobReply, Ping, Pong, Query, Search, Status, StatusReply, VSearch
from ipc.sync import SyncClient


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def worker_pid(client: SyncClient) -> int:
    """Start the model worker, and say which process it is."""
    client.call(Embed(texts=["wake up"]), timeout_s=60)
    return client.call(Status(), StatusReply).engine.pid


def events(daemon: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in daemon.log.splitlines()]


class TestStop:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_a_signal_ends_it_with_0_and_leaves_nothing_behind(self, daemon: Any, number: int) -> None:
        daemon.process.send_signal(number)
        assert daemon.wait() == 0
        assert os.listdir(daemon.paths.runtime) == []
        assert read_holder(daemon.paths.daemon_lock) is None
        assert not is_locked(daemon.paths.daemon_lock)
        assert [json.loads(line)["event"] for line in daemon.log.splitlines()][-2:] == [
            "daemon.stopping",
            "daemon.stopped",
        ]

    def test_as_a_request(self, daemon: Any) -> None:
        assert stop_daemon(daemon.paths) == daemon.process.pid
        assert daemon.wait() == 0

    def test_during_its_start(self, home: Paths, start_daemon: Callable[..., Any], wait_until: Any) -> None:
        starting = start_daemon()
        wait_until(lambda: is_locked(home.daemon_lock), "the lock")
        assert starting.terminate() == 0

    def test_the_worker_goes_with_it(self, daemon: Any, client: SyncClient) -> None:
        worker = worker_pid(client)
        assert is_alive(worker)
        assert daemon.terminate() == 0
        assert not is_alive(worker)

    def test_the_worker_does_not_outlive_a_killed_daemon(
        self, daemon: Any, client: SyncClient, wait_until: Any
    ) -> None:
        worker = worker_pid(client)
        daemon.kill()
        wait_until(lambda: not is_alive(worker), "the end of the worker")

    def test_in_the_middle_of_a_job(self, daemon: Any, client: SyncClient) -> None:
        notes = os.path.join(os.environ["QMD_HOME"], "notes")
        os.mkdir(notes)
        for number in range(300):
            with open(os.path.join(notes, f"{number}.md"), "w", encoding="utf-8") as file:
                file.write(f"# Note {number}\n\n" + "many words of it " * 200)
        client.call(CollectionAdd(path=notes), JobReply)
        assert daemon.terminate() == 0

    def test_a_request_that_runs_gets_an_answer(self, daemon: Any, client: SyncClient) -> None:
        """The last reply of a stream that is cut off: the job's watcher is told that the daemon stops."""
        from ipc.errors import QmdError
        from ipc.protocol import JobGet

        notes = os.path.join(os.environ["QMD_HOME"], "notes")
        os.mkdir(notes)
        for number in range(300):
            with open(os.path.join(notes, f"{number}.md"), "w", encoding="utf-8") as file:
                file.write(f"# Note {number}\n\n" + "many words of it " * 200)
        job = client.call(CollectionAdd(path=notes), JobReply).job
        replies = client.stream(JobGet(job=job.id, stream=True), JobReply)
        next(replies)
        daemon.process.terminate()
        states, told = [], ""
        try:
            states += [reply.job.state for reply in replies]
        except QmdError as error:
            told = error.code
        assert told == "unavailable" or states[-1] in {"cancelled", "done"}
        assert daemon.wait() == 0


class TestSecond:
    @pytest.mark.parametrize("flags", [(), ("--detached",)])
    def test_it_exits_with_11_and_says_who_is_there(self, daemon: Any, flags: tuple[str, ...]) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "qmd_daemon", *flags], stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
        assert done.returncode == 11
        assert f"pid {daemon.process.pid}" in done.stderr

    def test_the_first_does_not_notice(self, daemon: Any, client: SyncClient) -> None:
        subprocess.run([sys.executable, "-m", "qmd_daemon"], stderr=subprocess.DEVNULL, timeout=60, check=False)
        assert client.ping(timeout_s=10).pid == daemon.process.pid
        with daemon.connect() as another:
            assert another.ping(timeout_s=10).pid == daemon.process.pid


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


class TestTakenPort:
    def test_in_the_foreground_it_exits_with_12_and_says_whom_to_ask(self, home: Paths, taken_port: int) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "qmd_daemon", "--http-port", str(taken_port)],
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 12
        assert f"127.0.0.1:{taken_port}" in done.stderr
        assert "Traceback" not in done.stderr
        assert os.listdir(home.runtime) == []

    def test_detached_it_does_without_and_says_so(self, start_daemon: Callable[..., Any], taken_port: int) -> None:
        running = start_daemon("--http-port", str(taken_port))
        running.wait_ready()
        with running.connect() as client:
            pong = client.ping(timeout_s=10)
            assert isinstance(pong, Pong)
            assert (pong.ready, pong.http) == (True, "")
            assert str(taken_port) in pong.state
        assert running.terminate() == 0


class TestLog:
    def test_its_level_is_changed_while_it_runs(self, daemon: Any, client: SyncClient, wait_until: Any) -> None:
        def told(name: str) -> bool:
            return any(event["event"] == name for event in events(daemon))

        def level(text: str, heard: str) -> None:
            with open(daemon.paths.config_file, "w", encoding="utf-8") as file:
                file.write(text)
            daemon.process.send_signal(signal.SIGUSR1)
            wait_until(lambda: told(heard), heard)

        client.call(Status())
        assert not told("request.started")
        level('[log]\nlevel = "loud"\n', "log.level_kept")
        client.call(Status())
        assert not told("request.started")
        level('[log]\nlevel = "debug"\n', "log.level_changed")
        client.call(Status())
        assert told("request.started")

    @pytest.mark.parametrize("flags", [[], ["--log-level", "debug"]], ids=["default", "debug"])
    def test_nobody_reads_in_it_what_was_searched_for(
        self, start_daemon: Callable[..., Any], tmp_path: Any, flags: list[str]
    ) -> None:
        (tmp_path / "a.md").write_text("# Secret\n\nxylophone\n")
        running = start_daemon(*flags)
        running.wait_ready()
        with running.connect() as client:
            client.call(CollectionAdd(path=str(tmp_path), name="notes"))
            for request in (Search(query="xylophone"), VSearch(query="xylophone"), Query(query="xylophone")):
                client.call(request)
            with pytest.raises(QmdError):
                client.call(Search(query='xylophone "unclosed', collections=["nowhere"]))
        assert running.terminate() == 0
        assert "request.done" in running.log
        assert "xylophone" not in running.log

    def test_its_lines_are_json_with_a_request_id_and_no_queries(self, daemon: Any, client: SyncClient) -> None:
        client.call(VSearch(query="a secret wish"))
        client.call(Ping())  # a request is noted behind its answer, and before the next
        lines = [json.loads(line) for line in daemon.log.splitlines()]
        done = [line for line in lines if line["event"] == "request.done"]
        assert [(line["op"], line["code"]) for line in done] == [("vsearch", "ok")]
        assert done[0]["request"]
        assert "secret" not in daemon.log

    def test_it_is_for_the_owner_alone(self, daemon: Any) -> None:
        paths = daemon.paths
        private = [paths.log_file, paths.daemon_lock, *(transport.path_of(a) for a in (paths.rpc, paths.events))]
        assert {stat.S_IMODE(os.stat(path).st_mode) for path in private} == {0o600}
        assert stat.S_IMODE(os.stat(paths.runtime).st_mode) == 0o700

    def test_in_the_foreground_a_person_reads_it(self, home: Paths, wait_until: Any) -> None:
        with subprocess.Popen([sys.executable, "-m", "qmd_daemon"], stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            line = process.stderr.readline()
            process.terminate()
            rest = process.stderr.read()
        assert process.returncode == 0
        assert "daemon.ready" in line
        assert "http://127.0.0.1:" in line
        assert "daemon.stopped" in rest
        with pytest.raises(json.JSONDecodeError):
            json.loads(line)
