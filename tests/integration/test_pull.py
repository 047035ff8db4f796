"""`qmd pull` and the process that fetches, against a hub on loopback: who is killed when, and what is left."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ipc.paths import Paths
from ipc.protocol import Job, JobCancel, JobGet, JobList, Pull
from ipc.sync import SyncClient
from tests.conftest import Daemon, WaitUntil
from tests.hub import FakeHub, checkpoint

WEIGHTS = "model.safetensors"
SIZE = 3_000_000
HALF = 1_500_000
FETCH = (sys.executable, "-m", "qmd_daemon.weights.fetch")
CONFIG = """
[models.tiny]
role = "embedding"
repositories = ["somebody/Tiny", "mirror/tiny"]
like = "bge-small-en-v1.5"

[models.small]
role = "embedding"
repositories = ["somebody/Small"]
like = "bge-small-en-v1.5"
"""


@pytest.fixture
def hub(home: Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    Path(home.config_file).write_text(CONFIG)
    monkeypatch.setenv("MODELSCOPE_REPO_TREE_PAGE_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("MODELSCOPE_DOWNLOAD_MAX_RETRIES", "0")
    with FakeHub() as hub:
        hub.add("mirror/tiny", checkpoint(SIZE))
        hub.add("somebody/Small", checkpoint(1000, seed=1))
        monkeypatch.setenv("QMD_HUB_ENDPOINT", hub.address)
        yield hub


@pytest.fixture
def daemon_with(hub: FakeHub, daemon: Daemon) -> Daemon:
    """The daemon, told where the hub is."""
    return daemon


def qmd(*argv: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "qmd_tui.cli.main", *argv], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    return done


def fetched(home: Paths, hub: FakeHub) -> bool:
    path = Path(home.models) / "tiny" / "original" / WEIGHTS
    return path.exists() and path.read_bytes() == hub.repositories["mirror/tiny"][WEIGHTS]


def fetchers() -> list[psutil.Process]:
    """The processes that fetch for this test's daemon or for the test itself."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "qmd_daemon.weights.fetch" in _command(child)]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def started_in_the_middle(hub: FakeHub, wait_until: WaitUntil) -> None:
    """Wait until half of the weights have been sent; the rest waits for the gate."""
    wait_until(lambda: hub.sent.get(WEIGHTS) == HALF, "half of the weights")


def half_is_on_disk(home: Paths) -> bool:
    path = Path(home.models) / "tiny" / "original.fetching" / f"{WEIGHTS}.incomplete"
    return path.exists() and path.stat().st_size > 0


def ended(client: SyncClient, job: Job) -> Job:
    *_, last = client.stream(JobGet(job=job.id, stream=True))
    final: Job = last.job
    return final


def test_models_are_pulled(daemon_with: Daemon, hub: FakeHub, home: Paths) -> None:
    done = qmd("pull", "tiny", "small")
    assert done.stdout == "Fetched: 2 models\n"
    # Which of the phases are seen depends on the time they take.
    shown = done.stderr.splitlines()
    assert shown
    assert set(shown) <= {
        *(f"qmd: looking for {name}" for name in ("somebody/Tiny", "mirror/tiny", "somebody/Small")),
        *("qmd: fetching tiny: 3 MB in 3 files", "qmd: fetching small: 1 kB in 3 files"),
        *(f"qmd: {what}" for name in ("tiny", "small") for what in (f"checking {name}", f"{name} is there")),
    }
    assert fetched(home, hub)
    assert qmd("pull", "tiny").stdout == "Fetched: 0 models, 1 there already\n"


def test_progress_as_json_lines(daemon_with: Daemon, hub: FakeHub) -> None:
    hub.gates[WEIGHTS] = HALF
    lines: list[dict[str, Any]] = []
    named: set[str] = set()
    command = [sys.executable, "-m", "qmd_tui.cli.main", "pull", "tiny", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as pulling:
        assert pulling.stdout is not None
        for line in pulling.stdout:
            lines.append(json.loads(line))
            named.update(file["name"] for file in lines[-1]["files"])
            if WEIGHTS in named:  # until then it stops in the middle, so that it is seen at work
                hub.opened.set()
    assert pulling.returncode == 0
    last = lines[-1]
    assert (last["kind"], last["state"], last["unit"], last["counts"]) == ("fetch", "done", "bytes", {"fetched": 1})
    assert last["done"] == last["total"] > SIZE
    assert named <= {"config.json", WEIGHTS, "tokenizer.json"}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["pull", "nomodel"], "'nomodel' is not a known model."),
        (["pull", "qwen3-0.6b-q8_0.gguf"], "is a GGUF file, which is for llama.cpp."),
        (["pull", "small", "Qwen3-0.6B-GGUF"], "is a GGUF file"),
    ],
)
def test_names_that_are_refused(daemon_with: Daemon, hub: FakeHub, argv: list[str], message: str) -> None:
    assert message in qmd(*argv, code=2).stderr
    assert hub.headers == []


def test_a_hub_without_the_model(daemon_with: Daemon, hub: FakeHub) -> None:
    hub.repositories = {}
    assert "it was looked for as somebody/Tiny, mirror/tiny" in qmd("pull", "tiny", code=3).stderr


def test_the_job_survives_who_asked_for_it(
    daemon_with: Daemon, hub: FakeHub, home: Paths, wait_until: WaitUntil
) -> None:
    hub.gates[WEIGHTS] = HALF
    asking = subprocess.Popen([sys.executable, "-m", "qmd_tui.cli.main", "pull", "tiny"], stderr=subprocess.DEVNULL)
    started_in_the_middle(hub, wait_until)
    asking.kill()
    asking.wait()
    with daemon_with.connect() as client:
        (job,) = [job for job in client.call(JobList()).jobs if job.kind == "fetch"]
        assert client.call(Pull(names=["tiny"])).job.id == job.id  # joined
        hub.opened.set()
        assert ended(client, job).state == "done"
    assert fetched(home, hub)


def test_a_job_that_is_cancelled_goes_on_where_it_was(
    daemon_with: Daemon, hub: FakeHub, home: Paths, wait_until: WaitUntil
) -> None:
    hub.gates[WEIGHTS] = HALF
    with daemon_with.connect() as client:
        job = client.call(Pull(names=["tiny"])).job
        started_in_the_middle(hub, wait_until)
        wait_until(lambda: half_is_on_disk(home), "half of a file")
        client.call(JobCancel(job=job.id))
        assert ended(client, job).state == "cancelled"
        assert fetchers() == []
        hub.gates.clear()
        assert ended(client, client.call(Pull(names=["tiny"])).job).state == "done"
    assert [first > 0 for name, first in hub.asked if name == WEIGHTS] == [False, True]
    assert fetched(home, hub)


def test_a_daemon_that_is_killed_takes_the_fetch_with_it(
    daemon_with: Daemon, hub: FakeHub, home: Paths, wait_until: WaitUntil, start_daemon: Callable[..., Daemon]
) -> None:
    hub.gates[WEIGHTS] = HALF
    with daemon_with.connect() as client:
        client.call(Pull(names=["tiny"]))
    started_in_the_middle(hub, wait_until)
    wait_until(lambda: half_is_on_disk(home), "half of a file")
    (fetcher,) = fetchers()
    daemon_with.kill()
    wait_until(lambda: not fetcher.is_running() or fetcher.status() == psutil.STATUS_ZOMBIE, "the end of the fetch")
    hub.gates.clear()
    again = start_daemon()
    again.wait_ready()
    with again.connect() as client:
        assert ended(client, client.call(Pull(names=["tiny"])).job).state == "done"
    assert fetched(home, hub)


def test_kill_9_then_the_next_one_goes_on(hub: FakeHub, home: Paths, wait_until: WaitUntil) -> None:
    hub.gates[WEIGHTS] = HALF
    process = subprocess.Popen([*FETCH, "tiny"], stderr=subprocess.DEVNULL)
    started_in_the_middle(hub, wait_until)
    wait_until(lambda: half_is_on_disk(home), "half of a file")
    process.send_signal(signal.SIGKILL)
    process.wait()
    hub.gates.clear()
    done = subprocess.run([*FETCH, "tiny"], capture_output=True, text=True, timeout=60, check=True)
    assert "tiny: fetched from mirror/tiny@master (3 MB)" in done.stderr
    first, second = [first for name, first in hub.asked if name == WEIGHTS]
    assert (first, 0 < second <= HALF) == (0, True)
    assert fetched(home, hub)
    assert os.listdir(os.path.join(home.models, "tiny")) == ["fetch.lock", "original"]


def test_a_disk_that_is_full(hub: FakeHub, home: Paths) -> None:
    """A limit on the size of files stands for the disk: the write fails in the same way."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, HALF))

    done = subprocess.run([*FETCH, "tiny"], capture_output=True, text=True, timeout=60, check=False, preexec_fn=limit)
    assert done.returncode == 3
    assert f"There is no room left on the disk for {WEIGHTS}.\nMake room" in done.stderr
    subprocess.run([*FETCH, "tiny"], timeout=60, check=True, stderr=subprocess.DEVNULL)
    assert fetched(home, hub)


def test_a_directory_instead_of_a_hub(
    hub: FakeHub, home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, data in hub.repositories["mirror/tiny"].items():
        path = tmp_path / "mirror" / "tiny" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    monkeypatch.setenv("QMD_HUB_DIRECTORY", str(tmp_path))
    done = subprocess.run([*FETCH, "--json", "tiny"], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout.splitlines()[-1])["event"] == "finished"
    assert hub.headers == []
    assert fetched(home, hub)
