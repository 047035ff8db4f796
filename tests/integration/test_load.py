"""A hundred clients at once, some of which vanish or send rubbish: benchmarks/load.py in small."""

from __future__ import annotations

import http.client
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from benchmarks.swarm import Mixture, flood
from ipc.protocol import CollectionAdd, Search
from tests.integration import corpus

# More of them misbehave than in the benchmark, so that all kinds of it come up in two seconds.
MIXTURE = Mixture(connections=100, seconds=2.0, vanishing=0.2, rubbish=0.1)


@pytest.fixture
def port(daemon: Any, tmp_path: Path) -> int:
    """Of a daemon with a few notes, which has answered a moment of everything."""
    corpus.write(tmp_path, 20)
    with daemon.connect() as client:
        corpus.finish(client, CollectionAdd(path=str(tmp_path), name="notes"))
    found = urlsplit(daemon.endpoint.http).port
    assert found
    flood(found, MIXTURE._replace(seconds=0.5))
    return found


def test_a_crowd(port: int, daemon: Any, wait_until: Any) -> None:
    process = psutil.Process(daemon.process.pid)

    def open_connections() -> int:
        return sum(one.laddr.port == port and bool(one.raddr) for one in process.net_connections("tcp"))

    def held() -> int:
        """Descriptors but for files, which a reader of the index or a log opens when it is first needed."""
        names = []
        for one in os.scandir(f"/proc/{process.pid}/fd"):
            with suppress(FileNotFoundError):
                names.append(os.readlink(one.path))
        return sum(not name.startswith("/") for name in names)

    wait_until(lambda: not open_connections(), "the end of the first connections")
    before = held()
    healthy, done = [], threading.Event()

    def look() -> None:
        while not done.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/health")
            healthy.append(connection.getresponse().status)
            connection.close()
            done.wait(0.05)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        tally = flood(port, MIXTURE)
    finally:
        done.set()
        looking.join()

    assert set(healthy) == {200}
    assert tally.statuses["200"] > 0
    assert tally.vanished > 0
    assert tally.statuses["hung"] == 0
    assert set(tally.statuses) <= {"200", "429", "503", "cut", "rubbish 400", "rubbish 403"}, tally.statuses
    with daemon.connect() as client:
        assert client.call(Search(query=corpus.question(1))).results
    wait_until(lambda: not open_connections(), "the end of all connections")
    wait_until(lambda: held() <= before, "file descriptors that come back")
    assert "Traceback" not in daemon.log
    assert daemon.stderr == ""
