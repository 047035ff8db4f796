"""Embedding through our daemon, against bare CTranslate2 and against others: texts in a second, memory, and waiting.

    python benchmarks/embed.py [--texts N] [--rounds N] [--others PYTHON]

all-MiniLM-L6-v2; texts of about 20 and 200 tokens; a real daemon with its worker, asked over HTTP and over ZeroMQ by a
client in this process, which is part of the time. PYTHON is an interpreter with sentence-transformers, onnxruntime
and onnx (`make bench-embed` has one); without it, only bare CTranslate2 is compared. That is a process of its own
that calls it in a loop with the best settings we know. All take turns within a round, so that a busy machine is busy
for all; texts for each second of the processor (of all processes that take part) hardly depend on that at all.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import psutil
from texts import make_texts

from ipc.launch import find_daemon
from ipc.paths import Paths
from ipc.protocol import CollectionAdd, Embed, EmbedReply, JobGet, JobReply, Ps, PsReply
from ipc.sync import SyncClient
from qmd_daemon.engine import tuning
from qmd_daemon.engine.loading import CPU
from qmd_daemon.weights import catalog
from qmd_daemon.weights.prepare import location

MODEL = "all-minilm-l6-v2"
QUESTIONS = 150
DOCUMENTS = 1500
OTHERS = ("torch", "onnx", "onnx-int8")


def bare(directory: str) -> None:
    """What `others.py` does, with CTranslate2 alone."""
    tuning.tune()
    from qmd_daemon.engine.device import Device, cores
    from qmd_daemon.engine.embed import Embedder

    model = Embedder(catalog.get(MODEL), directory, Device("cpu", os.path.basename(directory)), cores())
    for line in sys.stdin:
        order = json.loads(line)
        texts = make_texts(order["kind"], order["count"])
        began, cpu_began = time.perf_counter(), time.process_time()
        tokens = sorted(model.tokens(texts, "document"), key=len)
        batches: list[list[list[int]]] = [[]]
        for text in tokens:
            if batches[-1] and (len(batches[-1]) + 1) * len(text) > CPU.budget:
                batches.append([])
            batches[-1].append(text)
        with ThreadPoolExecutor(cores() + 1) as pool:
            assert sum(len(vectors) for vectors in pool.map(model.vectors, batches)) == len(texts)
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
        answer = {"seconds": seconds, "cpu_s": cpu_s, "peak_bytes": peak_bytes(os.getpid())}
        print(json.dumps(answer), flush=True)


def peak_bytes(pid: int) -> int:
    """The highest resident memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


class Took(NamedTuple):
    """Seconds on the wall, and of the processor."""

    seconds: float
    cpu_s: float


class Side:
    """A process that embeds on order."""

    def __init__(self, command: Sequence[str]) -> None:
        environment = {**os.environ, **tuning.environment()}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )
        self.peak_bytes = 0

    def embed(self, kind: str, count: int) -> Took:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"kind": kind, "count": count}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        self.peak_bytes = answer["peak_bytes"]
        return Took(answer["seconds"], answer["cpu_s"])

    def close(self) -> None:
        self._process.communicate()


class Daemon:
    """A real one, in an installation of its own."""

    def __init__(self, home: str) -> None:
        environment = {
            **os.environ,
            "QMD_HOME": home,
            "QMD_HTTP_PORT": "0",
            "QMD_DEVICE": "cpu",
            "QMD_MODEL": MODEL,
            "QMD_LOG_LEVEL": "warning",
        }
        self.paths = Paths.from_environment({"QMD_HOME": home})
        os.makedirs(self.paths.config, mode=0o700)
        # The others take minutes, in which the worker must not end.
        Path(self.paths.config_file).write_text("[engine]\nidle_s = 36000.0\n")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "qmd_daemon"], env=environment, stderr=subprocess.DEVNULL
        )
        while (endpoint := find_daemon(self.paths)) is None or not self._http(endpoint.rpc):
            time.sleep(0.05)
        self.rpc = endpoint.rpc
        self.http = self._http(endpoint.rpc)
        self.client = SyncClient(self.rpc)
        self.client.__enter__()
        self.client.call(Embed(texts=["warm"]), EmbedReply, timeout_s=120)

    def _http(self, rpc: str) -> str:
        with SyncClient(rpc) as client:
            pong = client.ping(timeout_s=5)
            return pong.http if pong.ready else ""

    def over_zeromq(self, kind: str, count: int) -> Took:
        texts = make_texts(kind, count)
        began, cpu_began = time.perf_counter(), self._cpu_s()
        reply = self.client.call(Embed(texts=texts, client="bulk"), EmbedReply, timeout_s=600)
        assert len(reply.embeddings) == count
        return Took(time.perf_counter() - began, self._cpu_s() - cpu_began)

    def over_http(self, kind: str, count: int) -> Took:
        body = json.dumps({"texts": make_texts(kind, count), "client": "bulk"}).encode()
        request = urllib.request.Request(f"{self.http}/embed", body, {"Content-Type": "application/json"})
        began, cpu_began = time.perf_counter(), self._cpu_s()
        with urllib.request.urlopen(request, timeout=600) as response:
            assert len(json.loads(response.read())) == count
        return Took(time.perf_counter() - began, self._cpu_s() - cpu_began)

    def _cpu_s(self) -> float:
        """Of the daemon, its worker, and the client, which is this process."""
        worker = self.client.call(Ps(), PsReply).pid
        times = [psutil.Process(pid).cpu_times() for pid in (self._process.pid, worker)]
        return time.process_time() + sum(one.user + one.system for one in times)

    def peak_bytes(self) -> int:
        """Of the daemon and its worker together."""
        worker = self.client.call(Ps(), PsReply).pid
        return peak_bytes(self._process.pid) + peak_bytes(worker)

    def questions(self) -> list[float]:
        """Ask one question after the other; milliseconds each."""
        waits = []
        for question in make_texts("short", QUESTIONS):
            began = time.perf_counter()
            self.client.call(Embed(texts=[question], kind="query"), EmbedReply)
            waits.append((time.perf_counter() - began) * 1000)
        return waits

    def close(self) -> None:
        self.client.__exit__(None, None, None)
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)


def throughput(daemon: Daemon, sides: dict[str, Side], kind: str, count: int, rounds: int) -> None:
    ways: dict[str, Callable[[str, int], Took]] = {
        "daemon, ZeroMQ": daemon.over_zeromq,
        "daemon, HTTP": daemon.over_http,
        **{name: side.embed for name, side in sides.items()},
    }
    took: dict[str, list[Took]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            one = way(kind, count)
            if number:  # the first is to warm up
                took[name].append(one)
    for unit, at in (("second", 0), ("CPU second", 1)):
        speeds = {name: [count / one[at] for one in all_of] for name, all_of in took.items()}
        print(f"\n{count} {kind} texts, texts for each {unit}, median of {rounds} rounds")
        for name, values in speeds.items():
            ratios = [ours / theirs for ours, theirs in zip(speeds["daemon, ZeroMQ"], values, strict=True)]
            http = [ours / theirs for ours, theirs in zip(speeds["daemon, HTTP"], values, strict=True)]
            print(
                f"  {name:16} {statistics.median(values):8.1f}   "
                f"ZeroMQ is {statistics.median(ratios):5.2f} times, HTTP {statistics.median(http):5.2f} times as fast",
                flush=True,
            )


def latency(daemon: Daemon, home: str) -> None:
    """A question through the daemon: alone, and while an indexing job has all it can do."""
    idle = daemon.questions()
    notes = Path(home) / "notes"
    notes.mkdir()
    for number, text in enumerate(make_texts("long", DOCUMENTS)):
        (notes / f"{number}.md").write_text(f"# Note {number}\n\n{text}\n")
    job = daemon.client.call(CollectionAdd(path=str(notes)), JobReply).job
    while daemon.client.call(JobGet(job=job.id), JobReply).job.phase != "embed":
        time.sleep(0.05)
    busy = daemon.questions()
    job = daemon.client.call(JobGet(job=job.id), JobReply).job
    print(f"\na question of 20 tokens over ZeroMQ, {QUESTIONS} times; the job was {job.state} at the end")
    p95 = {}
    for name, waits in (("idle", idle), ("while indexing", busy)):
        p95[name] = statistics.quantiles(waits, n=20)[18]
        print(f"  {name:15} p50 {statistics.median(waits):6.1f} ms   p95 {p95[name]:6.1f} ms")
    print(f"  p95 while indexing is {p95['while indexing'] / p95['idle']:.2f} times p95 idle")


def run(count: int, rounds: int, python: str) -> None:
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        daemon = Daemon(home)
        stack.callback(daemon.close)
        source = catalog.find(catalog.get(MODEL))
        assert source is not None
        directory = location(catalog.get(MODEL), daemon.paths.models, "int8")
        sides = {"bare CTranslate2": Side([sys.executable, __file__, "--bare", directory])}
        if python:
            others = os.path.join(os.path.dirname(__file__), "others.py")
            sides |= {name: Side([python, others, name, source]) for name in OTHERS}
        for side in sides.values():
            stack.callback(side.close)
        throughput(daemon, sides, "short", count, rounds)
        throughput(daemon, sides, "long", count, rounds)
        print("\npeak resident memory")
        print(f"  {'daemon + worker':15} {daemon.peak_bytes() / 2**20:7.0f} MiB")
        for name, side in sides.items():
            print(f"  {name:15} {side.peak_bytes / 2**20:7.0f} MiB")
        latency(daemon, home)


def main() -> None:
    parser = argparse.ArgumentParser(description="Embedding through our daemon, and by others.")
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--others", metavar="PYTHON", default="", help="an interpreter that has the others")
    parser.add_argument("--bare", metavar="DIRECTORY", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        bare(arguments.bare)
    elif catalog.find(catalog.get(MODEL)) is None:
        sys.exit(catalog.install_hint(catalog.get(MODEL)))
    else:
        run(arguments.texts, arguments.rounds, arguments.others)


if __name__ == "__main__":
    main()
