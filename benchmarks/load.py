"""A thousand HTTP clients for a minute, some of them broken, and whether `/health` answers all the while.

    python benchmarks/load.py [--connections 1000] [--seconds 60] [--pause 0] [--real]

A real daemon over 300 notes, with the fake engine, or with --real all-MiniLM-L6-v2. The clients (`swarm.py`) are a
process of their own; each asks again as soon as it has its answer, or --pause seconds later: embedding and searching
mixed. Of a hundred requests ten end with a client that vanishes in the middle, and one is rubbish. Meanwhile `/health`
is asked twenty times a second, over a new connection each time.

Exit code 1 when something is not as it must be: a status of 5xx other than 503, a client without an answer, `/health`
at 100 ms (p99) or more, memory or file descriptors that do not come back.
"""

from __future__ import annotations

import argparse
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import psutil
from swarm import Mixture, Tally, flood
from texts import make_texts

from ipc.launch import find_daemon
from ipc.paths import Paths
from ipc.protocol import CollectionAdd, Embed, JobGet
from ipc.sync import SyncClient

DOCUMENTS = 300
PROBE_S = 0.05
HEALTH_P99_MS = 100
# What is kept for the next time: arenas of the allocator, not of any client.
FLAT_RATIO = 1.1
SETTLE_S = 20.0


class Use(NamedTuple):
    """What the daemon and its worker hold."""

    daemon_bytes: int
    worker_bytes: int
    descriptors: int

    def __str__(self) -> str:
        daemon, worker = self.daemon_bytes / 2**20, self.worker_bytes / 2**20
        return f"daemon {daemon:.0f} MiB, worker {worker:.0f} MiB, {self.descriptors} file descriptors"


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="qmd-load-") as home:
        environment = {**os.environ, "QMD_HOME": home, "QMD_HTTP_PORT": "0", "QMD_LOG_LEVEL": "warning"}
        real = {"QMD_MODEL": "all-minilm-l6-v2", "QMD_DEVICE": "cpu"}
        environment |= real if options.real else {"QMD_ENGINE": "fake"}
        command = [sys.executable, "-m", "qmd_daemon", "--detached"]
        daemon = subprocess.Popen(command, env=environment)
        try:
            paths = Paths.from_environment({"QMD_HOME": home})
            port = _ready(paths, daemon)
            _index(paths, Path(home) / "notes")
            return _measure(options, port, psutil.Process(daemon.pid))
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(30)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pause", type=float, default=0.0, help="of a client between an answer and its next request")
    parser.add_argument("--real", action="store_true", help="with a model")
    return parser.parse_args()


def _ready(paths: Paths, daemon: subprocess.Popen[bytes]) -> int:
    """The HTTP port, when it answers."""
    while daemon.poll() is None:
        if endpoint := find_daemon(paths):
            with SyncClient(endpoint.rpc) as client:
                pong = client.ping(timeout_s=5)
            if pong.ready:
                return urlsplit(pong.http).port or 0
        time.sleep(0.05)
    raise SystemExit(f"the daemon ended with {daemon.returncode}")


def _index(paths: Paths, notes: Path) -> None:
    notes.mkdir()
    for number, text in enumerate(make_texts("long", DOCUMENTS)):
        (notes / f"{number}.md").write_text(f"# Note {number}\n\n{text}\n")
    endpoint = find_daemon(paths)
    assert endpoint
    with SyncClient(endpoint.rpc) as client:
        job = client.call(CollectionAdd(path=str(notes)), timeout_s=60).job
        for _ in client.stream(JobGet(job=job.id, stream=True)):
            pass
        client.call(Embed(texts=["warm"]), timeout_s=120)


def _measure(options: argparse.Namespace, port: int, daemon: psutil.Process) -> int:
    mixture = Mixture(options.connections, options.seconds, pause_s=options.pause)
    print(f"process {daemon.pid}, port {port}; fresh: {_use(daemon)}", flush=True)
    # Once for a moment: what the program keeps for so many clients (readers, threads) is not a leak.
    with ProcessPoolExecutor(1) as pool:
        pool.submit(flood, port, mixture._replace(seconds=min(10.0, options.seconds))).result()
        before = _settled(daemon)
        print(f"before: {before}", flush=True)
        flooding = pool.submit(flood, port, mixture)
        health_ms, failed = [], 0
        end = time.monotonic() + options.seconds
        while (began := time.monotonic()) < end:
            ms = _health(port)
            failed += ms is None
            health_ms.append(1000 * (time.monotonic() - began))
            time.sleep(max(0.0, PROBE_S - (time.monotonic() - began)))
        during = _use(daemon)
        tally: Tally = flooding.result()
        after = _settled(daemon)
    print(f"at the end: {during}")
    print(f"after: {after}")
    print(f"statuses: {dict(sorted(tally.statuses.items()))}, and {tally.vanished} vanished")
    rate = len(tally.answered_ms) / options.seconds
    print(f"answers (200), ms: {_percentiles(tally.answered_ms)}; {rate:.0f} a second")
    print(f"/health, ms: {_percentiles(health_ms)}; {len(health_ms)} asked, {failed} failed")
    broken = [status for status in tally.statuses if status.split()[-1].startswith("5") and "503" not in status]
    wrong = {
        f"statuses {broken}": broken,
        "clients without an answer": tally.statuses["hung"],
        "/health is late": np.percentile(health_ms, 99) >= HEALTH_P99_MS or failed,
        "file descriptors stay": after.descriptors > before.descriptors,
        "memory stays": after.daemon_bytes > before.daemon_bytes * FLAT_RATIO
        or after.worker_bytes > before.worker_bytes * FLAT_RATIO,
    }
    for what, is_so in wrong.items():
        if is_so:
            print(f"WRONG: {what}")
    return int(any(wrong.values()))


def _health(port: int) -> float | None:
    """None where it was not answered with 200."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            connection.request("GET", "/health")
            return 0.0 if connection.getresponse().status == 200 else None
    except OSError:
        return None


def _use(daemon: psutil.Process) -> Use:
    workers = daemon.children()
    return Use(
        daemon.memory_info().rss,
        sum(worker.memory_info().rss for worker in workers),
        daemon.num_fds() + sum(worker.num_fds() for worker in workers),
    )


def _settled(daemon: psutil.Process) -> Use:
    """When the last client's connection is gone, or after a while."""
    end = time.monotonic() + SETTLE_S
    while any(one.status == psutil.CONN_ESTABLISHED for one in daemon.net_connections("tcp")):
        if time.monotonic() > end:
            break
        time.sleep(0.1)
    return _use(daemon)


def _percentiles(ms: list[float]) -> str:
    if not ms:
        return "none"
    return "p50 {:.1f}, p95 {:.1f}, p99 {:.1f}, longest {:.1f}".format(*np.percentile(ms, (50, 95, 99, 100)))


if __name__ == "__main__":
    sys.exit(main())
