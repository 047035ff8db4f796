"""The daemon on a card: memory for each model and in total, throughput, waiting, and what is left of it when idle.

    python benchmarks/gpu.py [--profile NAME] [--models DIRECTORY]

With those models of the profile that are in the directory. Without a card it says that it did not run.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from texts import make_texts

from ipc.launch import find_daemon
from ipc.paths import Paths
from ipc.protocol import (
    CollectionAdd,
    Embed,
    JobGet,
    JobReply,
    ModelsLoad,
    Ps,
    PsReply,
    Query,
    SearchReply,
    VSearch,
)
from ipc.sync import SyncClient
from qmd_daemon.engine.gpu import Meter

ROUNDS = 50
DOCUMENTS = 500
CLIENTS = 10


def card() -> str:
    """The name of the first card that CUDA can use; "" when there is none."""
    import ctranslate2

    try:
        if not ctranslate2.get_cuda_device_count():
            return ""
    except RuntimeError:
        return ""
    cards = Meter(lambda: 0).sample().cards
    return cards[0].name if cards else "a card that NVML does not name"


def ours_bytes(pid: int) -> int:
    return sum(one.memory_ours_bytes or 0 for one in Meter(lambda: pid).sample().cards)


def timed(name: str, work: Callable[[], object], rounds: int = ROUNDS) -> None:
    work()
    waits = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        waits.append((time.perf_counter() - began) * 1000)
    p95 = statistics.quantiles(waits, n=20)[18]
    print(f"  {name:22} p50 {statistics.median(waits):7.1f} ms   p95 {p95:7.1f} ms")


def measure(client: SyncClient, rpc: str, notes: Path) -> None:
    ps = client.call(ModelsLoad(), PsReply, timeout_s=600)
    print("memory of the card")
    for model in ps.models:
        size = f"{model.size_bytes / 2**20:7.0f} MiB"
        print(f"  {model.role:10} {model.name:28} {size}  {model.compute_type} {model.reason}")
    print(f"  {'in total':39} {ours_bytes(ps.pid) / 2**20:7.0f} MiB (measured {ps.used_bytes / 2**20:.0f})")
    for kind, count in (("short", 5000), ("long", 1000)):
        texts = make_texts(kind, count)
        began = time.perf_counter()
        for at in range(0, count, 1000):
            client.call(Embed(texts=texts[at : at + 1000], client="bulk", encoding="json"), timeout_s=600)
        print(f"embedding {kind} texts: {count / (time.perf_counter() - began):.0f} texts/s")
    job = client.call(CollectionAdd(path=str(notes)), JobReply).job
    while client.call(JobGet(job=job.id), JobReply).job.state in {"queued", "running"}:
        time.sleep(0.1)
    print("waiting")
    timed("/embed, 1 text", lambda: client.call(Embed(texts=make_texts("short", 1), kind="query")))
    timed("/embed, 100 texts", lambda: client.call(Embed(texts=make_texts("short", 100)), timeout_s=120))
    timed("/vsearch", lambda: client.call(VSearch(query="restart the server"), SearchReply))
    timed("/query", lambda: client.call(Query(query="restart the server"), SearchReply, timeout_s=120))

    def one(_: int) -> None:
        with SyncClient(rpc) as own:
            own.call(Query(query="how to restart the server"), SearchReply, timeout_s=120)

    with ThreadPoolExecutor(CLIENTS) as pool:
        timed(f"/query, {CLIENTS} at once", lambda: list(pool.map(one, range(CLIENTS))), rounds=10)
    print(f"in total after that: {ours_bytes(client.call(Ps(), PsReply).pid) / 2**20:.0f} MiB")


def run(profile: str, models: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        settings = {"QMD_HOME": home, "QMD_HTTP_PORT": "0", "QMD_DEVICE": "cuda", "QMD_PROFILE": profile}
        environment = {**os.environ, **settings}
        paths = Paths.from_environment({"QMD_HOME": home})
        os.makedirs(paths.config)
        Path(paths.config_file).write_text("[engine]\nidle_s = 20.0\n")
        if models:
            os.makedirs(os.path.dirname(paths.models), exist_ok=True)
            os.symlink(models, paths.models)
        notes = Path(home) / "notes"
        notes.mkdir()
        for number, text in enumerate(make_texts("long", DOCUMENTS)):
            (notes / f"{number}.md").write_text(f"# Note {number}\n\n{text}\n")
        daemon = subprocess.Popen([sys.executable, "-m", "qmd_daemon"], env=environment)
        try:
            while (endpoint := find_daemon(paths)) is None:
                time.sleep(0.1)
            with SyncClient(endpoint.rpc) as client:
                while not client.ping(timeout_s=5).ready:
                    time.sleep(0.1)
                measure(client, endpoint.rpc, notes)
                pid = client.call(Ps(), PsReply).pid
                while client.call(Ps(), PsReply).pid:
                    time.sleep(0.5)
                print(f"idle, after keep_alive: {ours_bytes(pid)} bytes of the card")
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description="The daemon on a card.")
    parser.add_argument("--profile", default="gpu")
    parser.add_argument("--models", metavar="DIRECTORY", default="", help="where the models are that were fetched")
    arguments = parser.parse_args()
    name = card()
    if not name:
        print("There is no GPU that CUDA can use: this benchmark did not run.")
        return
    print(f"on {name}")
    run(arguments.profile, arguments.models)


if __name__ == "__main__":
    main()
