"""A full disk, data that cannot be written, a clock that is set back: a clear error, and nothing is lost."""

from __future__ import annotations

import http.client
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import CollectionAdd, Embed, EmbedIndex, Job, JobGet, JobReply, Search, Status, Update
from ipc.sync import SyncClient
from tests.integration import corpus
from tests.integration.program import QMD
from tests.integration.whole import integrity, state

NOTES, MORE = 30, 300
ASKED = range(0, NOTES, 13)
DAY_S = 86_400
Start = Callable[..., Any]


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        pytest.skip(f"a file system of its own cannot be mounted here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(home: Paths) -> Iterator[Paths]:
    """The data are on a disk of 4 MiB."""
    mount("-t", "tmpfs", "-o", "size=4m,mode=0700", "none", home.data)
    yield home
    subprocess.run(["umount", "--lazy", home.data], check=True, timeout=60)


def ended(client: SyncClient, request: CollectionAdd | Update | EmbedIndex) -> Job:
    """A job, when it is over."""
    job = corpus.start(client, request)
    for reply in client.stream(JobGet(job=job.id, stream=True), JobReply):
        job = reply.job
    return job


def fill(directory: str) -> Path:
    """Not a byte is left."""
    filler = Path(directory) / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 8, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return filler


def qmd(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*QMD, *argv], capture_output=True, text=True, timeout=60, check=False)


def test_a_full_disk(small_disk: Paths, start_daemon: Start, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    corpus.write(notes, NOTES)
    running = start_daemon()
    running.wait_ready()
    with running.connect() as client:
        corpus.finish(client, CollectionAdd(path=str(notes), name="notes"))
        before = state(small_disk, client, ASKED)
        filler = fill(small_disk.data)
        corpus.write(notes, MORE)
        failed = ended(client, Update())
        assert failed.state == "failed"
        assert failed.error is not None
        assert failed.error.code == "unavailable"
        assert "disk" in f"{failed.error.message} {failed.error.hint}"
        assert client.call(Search(query=corpus.question(1))).results
    assert running.terminate() == 0

    # It starts and answers without a byte to spare, and goes on where there is room again.
    running = start_daemon()
    running.wait_ready()
    with running.connect() as client:
        assert state(small_disk, client, ASKED).answers == before.answers
        filler.unlink()
        for number in range(NOTES, MORE):
            (notes / corpus.name(number)).unlink()
        corpus.finish(client, Update())
        corpus.finish(client, EmbedIndex())
        assert state(small_disk, client, ASKED) == before
    assert integrity(small_disk) == [("ok",)]
    assert running.terminate() == 0
    assert "Traceback" not in running.log


def test_data_that_cannot_be_written(small_disk: Paths, start_daemon: Start, tmp_path: Path) -> None:
    corpus.write(tmp_path, NOTES)
    running = start_daemon()
    running.wait_ready()
    with running.connect() as client:
        corpus.finish(client, CollectionAdd(path=str(tmp_path), name="notes"))
        before = state(small_disk, client, ASKED)
    assert running.terminate() == 0

    mount("-o", "remount,ro", small_disk.data)
    # Documents are there all the same. (Words are not: tantivy locks a file to read.)
    found = qmd("get", corpus.name(1))
    assert (found.returncode, f"# Note 1 on {corpus.words(1)[0]}" in found.stdout) == (0, True), found.stderr
    for command in (["server"], ["update"], ["vsearch", corpus.question(1)], ["search", corpus.question(1)]):
        done = qmd(*command)
        assert (done.returncode, done.stdout) == (3, "")
        assert "Read-only file system" in done.stderr
        assert "Traceback" not in done.stderr

    mount("-o", "remount,rw", small_disk.data)
    running = start_daemon()
    running.wait_ready()
    with running.connect() as client:
        assert state(small_disk, client, ASKED) == before
    assert running.terminate() == 0


# -- the clock -------------------------------------------------------------------------------

# In front of the daemon and its worker: what the wall clock says is off by what a file says.
CLOCK = """
import os, time
def off(now, place=os.environ["QMD_TEST_CLOCK"]):
    with open(place) as file:
        return now() + float(file.read() or 0)
wall, wall_ns = time.time, time.time_ns
time.time = lambda: off(wall)
time.time_ns = lambda: int(off(wall) * 1e9)
"""


@pytest.fixture
def set_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the daemon's wall clock by so many seconds, from one moment to the next."""
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("QMD_TEST_CLOCK", str(tmp_path / "clock"))

    def move(seconds: float) -> None:
        (tmp_path / "new").write_text(str(seconds))
        os.replace(tmp_path / "new", tmp_path / "clock")

    move(0.0)
    return move


def test_a_clock_that_is_set_back(  # noqa: PLR0917
    set_clock: Callable[[float], None],
    home: Paths,
    start_daemon: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wait_until: Any,
) -> None:
    notes = tmp_path / "notes"
    corpus.write(notes, NOTES)
    monkeypatch.setenv("QMD_FAKE_DELAY_MS", "10")
    Path(home.config_file).write_text("[engine]\nidle_s = 600.0\n")
    token = qmd("token", "create", "--name", "a", "--expires", "1d").stdout.strip()
    running = start_daemon()
    running.wait_ready()

    def status(token: str) -> int:
        line = http.client.HTTPConnection(urlsplit(running.endpoint.http).netloc, timeout=30)
        with closing(line):
            line.request("GET", "/status", headers={"Authorization": f"Bearer {token}"})
            return line.getresponse().status

    with running.connect() as client, running.connect() as other:
        # In the middle of a job: it goes on, and its progress is told.
        job = corpus.start(client, CollectionAdd(path=str(notes), name="notes"))
        progress = 0
        for reply in client.stream(JobGet(job=job.id, stream=True), JobReply):
            job = reply.job
            if job.phase == "embed" and job.state == "running":
                if not progress:
                    set_clock(-2 * DAY_S)
                progress += 1
        assert (job.state, job.error) == ("done", None)
        assert progress > 1
        assert job.ended_at < job.started_at

        # Deadlines are kept, and a model that is to go after a moment goes.
        assert client.call(Embed(texts=["a"], deadline_s=30, keep_alive=0.2)).count == 1
        wait_until(lambda: not other.call(Status()).engine.pid, "the end of the worker")
        with pytest.raises(QmdError) as late:
            client.call(Embed(texts=["word"] * 1000, deadline_s=0.5))
        assert late.value.code == "deadline"
        # A token is valid until its time, which has come again for nobody that it had passed for.
        assert status(token) == 200
        set_clock(2 * DAY_S)
        assert status(token) == 401

        # A file that is written now is newer than its time says; it is read all the same.
        set_clock(-2 * DAY_S)
        changed = notes / corpus.name(0)
        then = changed.stat().st_mtime
        changed.write_text("# Perch\n\nA fish.\n")
        os.utime(changed, (then - 2 * DAY_S, then - 2 * DAY_S))
        assert corpus.finish(client, Update()).counts["updated"] == 1
        assert client.call(Search(query="perch")).results[0].path == corpus.name(0)
        assert corpus.finish(client, Update()).counts["updated"] == 0
    assert qmd("status").returncode == 0
    assert running.terminate() == 0
    assert "Traceback" not in running.log
