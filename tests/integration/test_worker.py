"""The engine with real worker processes: what becomes of them, and of the texts, when things go wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import ModelsEvent
from qmd_daemon.config import EngineConfig, ModelConfig
from qmd_daemon.engine import fake
from qmd_daemon.engine.model import Priority
from qmd_daemon.engine.supervisor import Engine
from qmd_daemon.weights import catalog, manifest
from qmd_daemon.weights.prepare import location

MINILM = catalog.get("all-minilm-l6-v2")
needs_minilm = pytest.mark.skipif(catalog.find(MINILM) is None, reason=catalog.install_hint(MINILM))
DEADLINE_S = 60
TEXTS = [f"text {n} of {n % 7} words about {'apples' if n % 2 else 'pears'}" for n in range(400)]


class States(list[str]):
    """Hears what the engine publishes: its states, with their reasons."""

    def __call__(self, topic: str, event: object) -> None:
        assert topic == "models"
        assert isinstance(event, ModelsEvent)
        self.append(f"{event.engine.state}: {event.engine.reason}".removesuffix(": "))


def make(tmp_path: Path, states: Callable[..., None] | None = None, **settings: object) -> Engine:
    config = EngineConfig(**{"kind": "fake", "device": "cpu", **settings})  # type: ignore[arg-type]
    return Engine(config, Paths.from_environment({"QMD_HOME": str(tmp_path)}), States() if states is None else states)


def truth(texts: list[str]) -> np.ndarray:
    return fake.vectors([fake.tokens(text) for text in texts])


async def until(look: Callable[[], bool]) -> None:
    """Look again and again until it is true."""
    async with asyncio.timeout(DEADLINE_S):
        while not look():
            await asyncio.sleep(0.01)


async def in_the_middle(engine: Engine, of: int) -> None:
    """Wait until some of that many texts are done, and some are not."""
    await until(lambda: 0 < engine.status().queued < of)


async def code_of(call: Awaitable[np.ndarray]) -> str:
    """The code of the error that a call ends with."""
    with pytest.raises(QmdError) as caught:
        await call
    return caught.value.code


def runs(pid: int) -> bool:
    """Whether the process is there, and more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two milliseconds a text: slow enough to be caught at work."""
    monkeypatch.setenv("QMD_FAKE_DELAY_MS", "2")


async def test_kill_in_the_middle_loses_nothing(tmp_path: Path, slow: None) -> None:
    async with make(tmp_path) as engine, asyncio.TaskGroup() as group:
        task = group.create_task(engine.embed(TEXTS, kind="document", priority=Priority.INDEXING))
        await in_the_middle(engine, len(TEXTS))
        os.kill(engine.worker_pid, signal.SIGKILL)
        # Whoever asks meanwhile waits a little longer, and is answered.
        asked = group.create_task(engine.embed(["a question"], kind="query"))
        assert np.allclose(await asked, truth(["a question"]))
        assert np.allclose(await task, truth(TEXTS))
        assert engine.status().restarts == 1


async def test_a_worker_that_is_stopped_hangs_and_is_replaced(tmp_path: Path, slow: None) -> None:
    states = States()
    async with make(tmp_path, states, hang_s=2) as engine, asyncio.TaskGroup() as group:
        task = group.create_task(engine.embed(TEXTS, kind="document"))
        await in_the_middle(engine, len(TEXTS))
        first = engine.worker_pid
        os.kill(first, signal.SIGSTOP)
        assert np.allclose(await task, truth(TEXTS))
        assert not runs(first)
        assert "off: The model worker was killed, since it was silent for 2 s." in states


async def test_a_hundred_at_once(tmp_path: Path) -> None:
    async with make(tmp_path) as engine, asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(engine.embed(TEXTS[n : n + n % 9], kind="document", priority=Priority(n % 3)))
            for n in range(100)
        ]
        for n, task in enumerate(tasks):
            assert np.allclose(await task, truth(TEXTS[n : n + n % 9]))
        assert engine.status().restarts == 0


async def test_a_question_passes_before_what_is_being_indexed(tmp_path: Path, slow: None) -> None:
    async with make(tmp_path) as engine, asyncio.TaskGroup() as group:
        indexing = group.create_task(engine.embed(TEXTS * 10, kind="document", priority=Priority.INDEXING))
        await in_the_middle(engine, len(TEXTS) * 10)
        await engine.embed(["a question"], kind="query")
        await engine.embed(TEXTS[:20], kind="document", priority=Priority.AGENT)
        assert not indexing.done()
        indexing.cancel()


async def test_what_is_cancelled_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The texts would take longer than the next one is given."""
    monkeypatch.setenv("QMD_FAKE_DELAY_MS", "20")
    async with make(tmp_path) as engine, asyncio.TaskGroup() as group:
        task = group.create_task(engine.embed(TEXTS * 40, kind="document", priority=Priority.INDEXING))
        await in_the_middle(engine, len(TEXTS) * 40)
        task.cancel()
        await asyncio.wait([task])
        assert engine.status().queued == 0
        async with asyncio.timeout(DEADLINE_S):
            await engine.embed(["next"], kind="document", priority=Priority.INDEXING)
        assert engine.status().restarts == 0


async def test_a_deadline_ends_the_waiting_and_the_work(tmp_path: Path, slow: None) -> None:
    async with make(tmp_path) as engine:
        await engine.embed(["warm"], kind="query")
        assert await code_of(engine.embed(TEXTS * 10, kind="document", deadline_s=0.2)) == "deadline"
        assert engine.status().queued == 0


async def test_it_stops_when_it_is_idle_and_starts_again(tmp_path: Path) -> None:
    states = States()
    async with make(tmp_path, states, idle_s=0.2) as engine:
        await engine.embed(["a"], kind="query")
        first = engine.worker_pid
        await until(lambda: engine.worker_pid == 0)
        await until(lambda: not runs(first))
        assert np.allclose(await engine.embed(["b"], kind="query"), truth(["b"]))
        assert engine.worker_pid != first
        assert engine.status().restarts == 0
    assert states[:3] == ["starting", "starting: loading fake", "ready"]
    assert "off" in states


async def test_leaving_takes_the_worker_along_whatever_it_does(tmp_path: Path, slow: None) -> None:
    async with asyncio.TaskGroup() as group:
        async with make(tmp_path) as engine:
            task = group.create_task(code_of(engine.embed(TEXTS * 10, kind="document")))
            await in_the_middle(engine, len(TEXTS) * 10)
            worker = engine.worker_pid
        assert not runs(worker)
        assert await task == "unavailable"


async def test_a_worker_that_cannot_be_ended_is_killed(tmp_path: Path) -> None:
    async with make(tmp_path) as engine:
        await engine.embed(["a"], kind="query")
        worker = engine.worker_pid
        os.kill(worker, signal.SIGSTOP)
    assert not runs(worker)


async def test_ctrl_c_is_not_for_the_worker(tmp_path: Path) -> None:
    async with make(tmp_path) as engine:
        await engine.embed(["a"], kind="query")
        os.kill(engine.worker_pid, signal.SIGINT)
        await engine.embed(["b"], kind="query")
        assert engine.status().restarts == 0


DAEMON = """
import asyncio, sys
from ipc.paths import Paths
from qmd_daemon.config import EngineConfig, ModelConfig
from qmd_daemon.engine.supervisor import Engine

async def main():
    async with Engine(EngineConfig(kind="fake"), Paths.from_environment(), lambda topic, event: None) as engine:
        await engine.embed(["a"], kind="query")
        print(engine.worker_pid, file=sys.stderr, flush=True)  # stdout has the log
        await engine.embed(["a long text"] * 10_000, kind="document")

asyncio.run(main())
"""


async def test_a_worker_does_not_outlive_its_daemon(tmp_path: Path) -> None:
    environment = {**os.environ, "QMD_HOME": str(tmp_path), "QMD_FAKE_DELAY_MS": "50"}
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DAEMON, env=environment, stdout=DEVNULL, stderr=PIPE
    )
    assert daemon.stderr is not None
    worker = int(await daemon.stderr.readline())
    assert runs(worker)
    daemon.kill()
    await daemon.communicate()
    await until(lambda: not runs(worker))


@needs_minilm
async def test_the_real_model_is_converted_once_and_survives_a_kill(tmp_path: Path) -> None:
    states = States()
    texts = [f"{text}. {text}" for text in TEXTS]
    async with make(tmp_path, states, kind="ct2") as engine, asyncio.TaskGroup() as group:
        model = engine.model()
        assert model is not None
        expected = await engine.embed(texts, kind="document", priority=Priority.INDEXING)
        assert expected.shape == (len(texts), model.dimension)
        assert np.allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-5)
        assert "starting: converting all-minilm-l6-v2" in states

        task = group.create_task(engine.embed(texts, kind="document", priority=Priority.INDEXING))
        await in_the_middle(engine, len(texts))
        os.kill(engine.worker_pid, signal.SIGKILL)
        # Other batches, so other padding: the same vectors, but for rounding.
        assert ((await task) * expected).sum(axis=1).min() > 0.999
        assert engine.status().restarts == 1
    assert sum("converting" in state for state in states) == 1


@needs_minilm
async def test_two_workers_that_convert_at_once_agree(tmp_path: Path) -> None:
    async with make(tmp_path, kind="ct2") as one, make(tmp_path, kind="ct2") as other:
        first, second = await asyncio.gather(
            *(engine.embed(["How do I restart the server?"], kind="query") for engine in (one, other))
        )
        assert np.array_equal(first, second)
        status = one.status()
        assert (status.state, status.device) == ("ready", "cpu")
        directory = location(MINILM, str(tmp_path / "data" / "models"), status.compute_type)
        assert manifest.fault(directory, catalog.weights_fingerprint(MINILM), status.compute_type) == ""


@needs_minilm
async def test_a_card_that_is_asked_for_and_missing_is_said(tmp_path: Path) -> None:
    ctranslate2 = pytest.importorskip("ctranslate2")
    if ctranslate2.get_cuda_device_count():
        pytest.skip("there is a card")
    async with make(tmp_path, kind="ct2", device="cuda") as engine:
        await engine.embed(["a"], kind="query")
        assert (engine.status().device, engine.status().reason) == ("cpu", "wanted cuda: no NVIDIA driver")
        assert engine.status().fallback


@needs_minilm
async def test_where_the_model_cannot_be_written_is_said_to_everybody(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "models").write_text("a file")
    async with make(tmp_path, kind="ct2") as engine:
        results = await asyncio.gather(*(engine.embed(["a"], kind="query") for _ in range(3)), return_exceptions=True)
        assert [error.code for error in results if isinstance(error, QmdError)] == ["unavailable"] * 3
        assert engine.status().state == "failed"
        assert str(tmp_path) in engine.status().reason


@needs_minilm
async def test_a_question_is_put_to_the_model_that_made_the_vectors(tmp_path: Path) -> None:
    """The embedder was changed: the one before stays, beside it, for the questions alone."""
    home = Paths.from_environment({"QMD_HOME": str(tmp_path)})
    own = {"mine": ModelConfig(role="embedding", directory=str(catalog.find(MINILM)), max_tokens=64, languages=("en",))}
    config = EngineConfig(embedding="mine", device="cpu")
    async with Engine(config, home, lambda topic, event: None, own) as engine:
        former = engine.maker(MINILM.name, catalog.fingerprint(MINILM))
        assert former is not None
        text = "to restart the server " * 40  # more than 64 tokens, so that the two models differ
        new = await engine.embed([text], kind="query")
        old = await engine.embed([text], kind="query", model=former)
        assert float((new * old).sum()) < 0.9999
        assert [(one.role, one.name, one.copies) for one in engine.models()] == [
            ("embedding", "mine", 2),
            ("embedding", MINILM.name, 1),
        ]
        # Its worker's death changes nothing.
        os.kill(engine.worker_pid, signal.SIGKILL)
        again = await engine.embed([text], kind="query", model=former)
        assert np.allclose(again, old, atol=1e-5)
        await engine.unload("embedding")
        assert [one.state for one in engine.models()] == ["off"]
