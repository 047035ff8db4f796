"""`kill -9` in the middle of things, and what is damaged afterwards: nothing is lost, and it mends itself."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ipc.paths import Paths
from ipc.protocol import (
    CollectionAdd,
    EmbedIndex,
    JobGet,
    JobReply,
    Query,
    Status,
    StatusReply,
    Update,
)
from ipc.sync import SyncClient
from tests.integration import corpus
from tests.integration.whole import State, integrity, state

NOTES = 300
ASKED = range(0, NOTES, 29)
EPISODES, KILLS = 5, 4
DELAY_MS = "4"  # for each of some 600 chunks
# The longest that a moment lies behind a progress event: as long as one is from the next.
MOMENT_S = 0.1


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("notes")
    corpus.write(directory, NOTES)
    return directory


@pytest.fixture(scope="module")
def undisturbed(shared_daemon: Any, notes: Path) -> State:
    with shared_daemon.connect() as client:
        corpus.finish(client, CollectionAdd(path=str(notes), name="notes"))
        return state(shared_daemon.paths, client, ASKED)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow enough to be caught at work."""
    monkeypatch.setenv("QMD_FAKE_DELAY_MS", DELAY_MS)


# -- the worker ------------------------------------------------------------------------------


def test_the_worker_in_the_middle_of_embedding(
    slow: None, daemon: Any, notes: Path, undisturbed: State, wait_until: Any
) -> None:
    with daemon.connect() as client, daemon.connect() as other:
        job = corpus.start(client, CollectionAdd(path=str(notes), name="notes"))
        for reply in client.stream(JobGet(job=job.id, stream=True), JobReply):
            if reply.job.phase == "embed" and reply.job.counts["chunks"]:
                break
        worker = other.call(Status(), StatusReply).engine.pid
        os.kill(worker, signal.SIGKILL)
        hits = other.call(Query(query=corpus.question(3)), timeout_s=60).results
        assert hits[0].path in corpus.answers(3)
        assert client.call(JobGet(job=job.id), JobReply).job.state == "running"
        ended = corpus.finish(client, job)
        assert ended.counts["chunks"] == len(undisturbed.chunks)
        assert client.call(Status(), StatusReply).engine.restarts == 1
        assert state(daemon.paths, client, ASKED) == undisturbed


# -- the daemon ------------------------------------------------------------------------------


def work(client: SyncClient, notes: Path, events: int) -> None:
    """Start the job that has something to do, and return after so many of its progress events."""
    index = client.call(Status(), StatusReply).index
    request: CollectionAdd | Update | EmbedIndex = EmbedIndex()
    if not index.collections:
        request = CollectionAdd(path=str(notes), name="notes")
    elif index.documents < NOTES:
        request = Update()
    replies = client.stream(JobGet(job=corpus.start(client, request).id, stream=True), JobReply)
    for _ in zip(range(events), replies, strict=False):
        pass


@pytest.mark.parametrize("episode", range(EPISODES))
def test_the_daemon_in_the_middle_of_indexing(  # noqa: PLR0917
    episode: int,
    home: Paths,
    start_daemon: Callable[..., Any],
    notes: Path,
    undisturbed: State,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = random.Random(episode)
    monkeypatch.setenv("QMD_FAKE_DELAY_MS", DELAY_MS)
    killed = 0
    while killed < KILLS:
        running = start_daemon()
        running.wait_ready()
        with running.connect() as client:
            work(client, notes, chosen.randint(1, 2))
            time.sleep(chosen.uniform(0, MOMENT_S))  # it waits for nothing: it picks the moment
            running.kill()
        # Only indexing may be quicker than we are, and then there is embedding to do.
        killed += '"job.ended"' not in running.log.rpartition('"job.started"')[2]
        assert integrity(home) == [("ok",)]

    monkeypatch.delenv("QMD_FAKE_DELAY_MS")
    running = start_daemon()
    running.wait_ready()
    with running.connect() as client:
        corpus.finish(client, Update())
        corpus.finish(client, EmbedIndex())
        found = state(home, client, ASKED)
    assert integrity(home) == [("ok",)]
    assert found.documents == undisturbed.documents
    assert found.chunks == undisturbed.chunks
    assert found.answers == undisturbed.answers
    assert running.terminate() == 0


# -- what is derived -------------------------------------------------------------------------


def largest(directory: str) -> str:
    files = [os.path.join(place, name) for place, _, names in os.walk(directory) for name in names]
    return max(files, key=os.path.getsize)


def flip(path: str) -> None:
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 0x10]))


def empty(directory: str) -> None:
    for place, _, names in os.walk(directory):
        for name in names:
            os.truncate(os.path.join(place, name), 0)


DAMAGE: dict[str, Callable[[str], object]] = {
    "deleted": shutil.rmtree,
    "its largest file deleted": lambda directory: os.unlink(largest(directory)),
    "its largest file cut short": lambda directory: os.truncate(
        largest(directory), os.path.getsize(largest(directory)) // 2
    ),
    "a bit flipped": lambda directory: flip(largest(directory)),
    "everything emptied": empty,
}


def search_without_a_daemon(part: str, how: str) -> None:
    """It needs the words alone. Of a damaged index it says so; a flipped bit it may not notice."""
    command = [sys.executable, "-m", "qmd_tui.cli.main", "search", corpus.question(1)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if part == "vectors":
        assert done.returncode == 0
    elif how != "a bit flipped" or done.returncode:
        assert (done.returncode, done.stdout) == (3, "")
        assert "The lexical index" in done.stderr
        assert "`qmd update` builds it again" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("part", ["lexical", "vectors"])
def test_a_damaged_index_is_built_again(  # noqa: PLR0917
    part: str, how: str, shared_daemon: Any, undisturbed: State, home: Paths, start_daemon: Callable[..., Any]
) -> None:
    # Nobody writes to the other one: a copy of its files is what it knows.
    shutil.copytree(shared_daemon.paths.index_dir(), home.index_dir())
    DAMAGE[how](os.path.join(home.index_dir(), part))
    search_without_a_daemon(part, how)

    running = start_daemon()
    running.wait_ready()
    with running.connect() as client:
        assert state(home, client, ASKED).answers == undisturbed.answers
    assert running.terminate() == 0
    built = [json.loads(line) for line in running.log.splitlines() if '"derived.built"' in line]
    assert [line["name"] for line in built] == [part]
