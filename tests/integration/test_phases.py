"""SIGTERM and SIGKILL in each phase of a start, of indexing and of a stop: the next start goes on, and nothing is lost.

`test_kill.py` picks its moments at random; here they are certain.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import CollectionAdd, CollectionList, EmbedIndex, Update
from ipc.sync import SyncClient
from tests.integration import corpus, doomed
from tests.integration.whole import State, integrity, state

NOTES = 60
ASKED = range(0, NOTES, 13)
SIGNALS = {"SIGTERM": 0, "SIGKILL": -signal.SIGKILL}
# In this order there is something left to do for each of them.
INDEXING = (
    ("qmd_daemon.store.generations:_replace", 1),  # a derived index is published
    ("qmd_daemon.ingest.indexer:_some", 1),
    ("qmd_daemon.ingest.extract:read", NOTES // 2),
    ("qmd_daemon.ingest.indexer:_store", 1),  # before its COMMIT
    ("qmd_daemon.store.intake:finished", 1),
    ("qmd_daemon.ingest.chunk:Chunker.cut", NOTES // 4),
    ("qmd_daemon.engine.supervisor:Engine.embed", 1),
    ("qmd_daemon.ingest.embedding:_store", 1),
    ("qmd_daemon.store.chunks:activate", 1),
)
STARTING = (
    "qmd_daemon.singleton:Singleton.announce",
    "qmd_daemon.serve.http:Http.routes",
    "qmd_daemon.app:_spare_the_collector",
)
STOPPING = (
    "qmd_daemon.serve.dispatch:Dispatcher.drain",
    "qmd_daemon.ingest.jobs:Jobs._stop",
    "qmd_daemon.store.database:Database._close",
)
Start = Callable[..., Any]


def ends(start_daemon: Start, point: str, count: int, name: str) -> Any:
    return start_daemon(program=(doomed.__file__, point, str(count), name))


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


def work(client: SyncClient, notes: Path) -> None:
    """Queue everything that there may be to do. The daemon may stop before it has answered."""
    with suppress(QmdError):
        if client.call(CollectionList()).collections:
            corpus.start(client, Update())
            corpus.start(client, EmbedIndex())
        else:
            corpus.start(client, CollectionAdd(path=str(notes), name="notes"))


def is_whole(running: Any, undisturbed: State) -> None:
    """It finishes what is left to do, and then knows and answers the same as if nothing had happened."""
    running.wait_ready()
    with running.connect() as client:
        corpus.finish(client, Update())
        corpus.finish(client, EmbedIndex())
        assert state(running.paths, client, ASKED) == undisturbed
    assert integrity(running.paths) == [("ok",)]
    assert running.terminate() == 0
    assert "Traceback" not in running.log


@pytest.mark.parametrize("name", SIGNALS)
def test_indexing(name: str, home: Paths, start_daemon: Start, notes: Path, undisturbed: State) -> None:
    for point, count in INDEXING:
        running = ends(start_daemon, point, count, name)
        running.wait_ready()
        with running.connect() as client:
            work(client, notes)
            assert running.wait() == SIGNALS[name], point
        assert running.stderr == ""
        assert integrity(home) == [("ok",)]
    is_whole(start_daemon(), undisturbed)


@pytest.mark.parametrize("name", SIGNALS)
def test_starting_and_stopping(name: str, home: Paths, start_daemon: Start, notes: Path, undisturbed: State) -> None:
    for point in STARTING:
        running = ends(start_daemon, point, 1, name)
        assert running.wait() == SIGNALS[name], point
        assert running.stderr == ""
    for point in STOPPING:
        running = ends(start_daemon, point, 1, name)
        running.wait_ready()
        with running.connect() as client:
            work(client, notes)  # so that there is a job to be stopped
            running.process.terminate()
            assert running.wait() == SIGNALS[name], point
        assert running.stderr == ""
    is_whole(start_daemon(), undisturbed)
