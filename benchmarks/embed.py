"""Our engine against bare CTranslate2: texts in a second, and how long a question waits while we index.

    python benchmarks/embed.py [--texts N] [--rounds N]

The bare side is a process of its own that calls CTranslate2 in a loop with the best settings we know, the
same that the worker uses: int8, texts sorted by length, batches of 256 padded tokens, one thread for each
core and one more to feed them, the allocator and the instruction set. What is left is what our process, its
sockets, queues and threads cost. The two take turns, so that a busy machine is busy for both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ipc.paths import Paths
from qmd_daemon.config import EngineConfig
from qmd_daemon.engine import tuning
from qmd_daemon.engine.loading import CPU
from qmd_daemon.engine.model import Priority
from qmd_daemon.engine.supervisor import Engine
from qmd_daemon.weights import catalog
from qmd_daemon.weights.prepare import location

MODEL = "all-minilm-l6-v2"
WORDS = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they "
    "which one you were all her she there would their we him been has when who will no more if out so up said what "
    "server memory index search document vector query model driver kernel network process thread cache database "
    "restart configure measure install compute translate remember explain compare improve describe question answer "
    "quarterly unfortunately representation photosynthesis infrastructure authentication synchronisation"
).split()
LENGTHS = {"short": (8, 24), "long": (90, 190)}  # words
QUESTIONS = 200


def make_texts(kind: str, count: int) -> list[str]:
    """The same texts every time."""
    chosen = random.Random(kind)
    low, high = LENGTHS[kind]
    return [" ".join(chosen.choices(WORDS, k=chosen.randint(low, high))) for _ in range(count)]


def bare(directory: str) -> None:
    """Read {"kind", "count"} from each line of stdin, embed so many texts, and write the seconds that it took."""
    tuning.tune()
    from qmd_daemon.engine.device import Device, cores
    from qmd_daemon.engine.embed import Ct2Model

    device = Device("cpu", os.path.basename(directory))
    model = Ct2Model(catalog.get(MODEL), directory, device, cores())
    for line in sys.stdin:
        order = json.loads(line)
        texts = make_texts(order["kind"], order["count"])
        began = time.perf_counter()
        tokens = sorted(model.encode(texts, "document"), key=len)
        batches: list[list[list[int]]] = [[]]
        for text in tokens:
            if batches[-1] and (len(batches[-1]) + 1) * len(text) > CPU.budget:
                batches.append([])
            batches[-1].append(text)
        with ThreadPoolExecutor(cores() + 1) as pool:
            done = sum(len(vectors) for vectors in pool.map(model.embed, batches))
        assert done == len(texts)
        sys.stdout.write(f"{time.perf_counter() - began}\n")
        sys.stdout.flush()


class Bare:
    """The process that runs `bare`."""

    def __init__(self, directory: str) -> None:
        environment = {**os.environ, **tuning.environment()}
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--bare", directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def seconds(self, kind: str, count: int) -> float:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"kind": kind, "count": count}) + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


async def throughput(engine: Engine, other: Bare, kind: str, count: int, rounds: int) -> None:
    texts = make_texts(kind, count)
    ours, theirs = [], []
    for number in range(rounds + 1):
        began = time.perf_counter()
        await engine.embed(texts, kind="document", priority=Priority.INDEXING)
        seconds = time.perf_counter() - began
        if number:  # the first is to warm up
            ours.append(count / seconds)
            theirs.append(count / await asyncio.to_thread(other.seconds, kind, count))
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    print(
        f"{kind:5}  ours {statistics.median(ours):7.1f} texts/s   bare {statistics.median(theirs):7.1f} texts/s   "
        f"ratio {ratio:.2f}   ({count} texts, median of {rounds})"
    )


async def ask(engine: Engine) -> list[float]:
    """Ask one question after the other; milliseconds each."""
    waits = []
    for question in make_texts("short", QUESTIONS):
        began = time.perf_counter()
        await engine.embed([question], kind="query")
        waits.append((time.perf_counter() - began) * 1000)
    return waits


def show(name: str, waits: Sequence[float]) -> None:
    cuts = statistics.quantiles(waits, n=20)
    print(f"a question, {name:22}  p50 {statistics.median(waits):6.1f} ms   p95 {cuts[18]:6.1f} ms")


async def latency(engine: Engine) -> None:
    show("idle", await ask(engine))
    async with asyncio.TaskGroup() as group:

        async def index() -> None:
            while True:
                await engine.embed(make_texts("long", 1000), kind="document", priority=Priority.INDEXING)

        indexing = [group.create_task(index()) for _ in range(2)]
        await engine.embed(make_texts("long", 64), kind="document", priority=Priority.AGENT)  # it is at full speed
        show("while indexing", await ask(engine))
        for task in indexing:
            task.cancel()


async def run(count: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        paths = Paths.from_environment({"QMD_HOME": home})
        async with Engine(EngineConfig(device="cpu"), paths, lambda topic, event: None) as engine:
            began = time.perf_counter()
            await engine.embed(["warm"], kind="query")
            print(f"first start, with the conversion: {time.perf_counter() - began:.2f} s")
            directory = location(catalog.get(MODEL), paths.models, engine.status().compute_type)
            other = Bare(directory)
            try:
                await throughput(engine, other, "short", count, rounds)
                await throughput(engine, other, "long", count // 8, rounds)
            finally:
                other.close()
            await latency(engine)


def main() -> None:
    parser = argparse.ArgumentParser(description="Our engine against bare CTranslate2.")
    parser.add_argument("--texts", type=int, default=2000, help="short texts in a round; long ones: an eighth")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bare", metavar="DIRECTORY", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        bare(arguments.bare)
    elif catalog.find(catalog.get(MODEL)) is None:
        sys.exit(catalog.install_hint(catalog.get(MODEL)))
    else:
        asyncio.run(run(arguments.texts, arguments.rounds))


if __name__ == "__main__":
    main()
