"""Workers that are scripts, one after the other, for the tests of the supervisor."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import ModelsEvent
from qmd_daemon.config import EngineConfig
from qmd_daemon.engine import fake, frames, lives
from qmd_daemon.engine.model import Line, Role, Score
from qmd_daemon.engine.supervisor import Engine

Script = Callable[["Worker", frames.ToWorker], None]


class Worker:
    """Stands for engine.process.Process: what it is sent goes to a script, which answers with `say` and `die`."""

    def __init__(self, script: Script, pid: int) -> None:
        self.script = script
        self.pid = pid
        self.sent: list[frames.ToWorker] = []
        self.started_at = time.monotonic()
        self.unanswered = 0
        self.closed = False
        self.ending = "ended with status 0"
        self._said: asyncio.Queue[frames.FromWorker | None] = asyncio.Queue()

    def send(self, message: frames.ToWorker) -> None:
        self.sent.append(message)
        self.script(self, message)

    def ping(self) -> None:
        self.unanswered += 1
        self.send(frames.Ping())

    def say(self, message: frames.FromWorker) -> None:
        self._said.put_nowait(message)

    def die(self, how: str = "was killed by SIGKILL") -> None:
        self.ending = how
        self._said.put_nowait(None)

    async def messages(self) -> AsyncIterator[frames.FromWorker]:
        while (message := await self._said.get()) is not None:
            self.unanswered = 0
            yield message

    def close(self) -> None:
        self.closed = True
        self._said.put_nowait(None)

    def kill(self, because: str) -> None:
        self.die(because)

    async def stop(self) -> None:
        pass


def resident(role: Role, state: str = "ready", **fields: object) -> frames.Resident:
    return frames.Resident(role, fake.INFOS[role].name, state, until=math.inf, **fields)  # type: ignore[arg-type]


def good(worker: Worker, message: frames.ToWorker) -> None:
    """A worker that does what it should: each text's vector says how long the text is. It keeps its models."""
    match message:
        case frames.Start():
            worker.say(frames.Ready())
        case frames.Embed():
            worker.say(frames.Models([resident("embedding", device="cpu", compute_type="float32")], 100))
            worker.say(frames.Begun([message.id]))
            rows = np.zeros((len(message.texts), fake.INFO.dimension), "<f4")
            rows[:, 0] = [len(text) for text in message.texts]
            worker.say(frames.Embedded(message.id, rows.tobytes()))
        case frames.Rerank():
            worker.say(frames.Models([resident("reranker")]))
            worker.say(frames.Scored(message.id, [Score(0.5, float(len(text))) for text in message.documents]))
        case frames.Expand():
            worker.say(frames.Models([resident("expansion")]))
            worker.say(frames.Expanded(message.id, [Line(kind, message.query) for kind in message.kinds]))
        case frames.Load():
            worker.say(frames.Models([resident(message.role)]))
            worker.say(frames.Done(message.id))
        case frames.Unload():
            worker.say(frames.Models([]))
            worker.say(frames.Done(message.id))
        case frames.Ping():
            worker.say(frames.Pong(0.0))


def forgetful(worker: Worker, message: frames.ToWorker) -> None:
    """A worker that takes its model down at the first ping."""
    if isinstance(message, frames.Ping):
        worker.say(frames.Models([]))
    good(worker, message)


def deaf(worker: Worker, message: frames.ToWorker) -> None:
    """A worker that gets ready, and never answers again."""
    if isinstance(message, frames.Start):
        worker.say(frames.Ready())


def lame(worker: Worker, message: frames.ToWorker) -> None:
    """A worker that never gets ready."""


def doomed(worker: Worker, message: frames.ToWorker) -> None:
    """A worker that dies of every text it begins with."""
    match message:
        case frames.Start():
            worker.say(frames.Ready())
        case frames.Embed():
            worker.say(frames.Begun([message.id]))
            worker.die()


def stillborn(worker: Worker, message: frames.ToWorker) -> None:
    worker.die("ended with status 1: no module named ctranslate2")


def refusing(worker: Worker, message: frames.ToWorker) -> None:
    """A worker that cannot load the embedding model, and does everything else."""
    if isinstance(message, frames.Embed):
        worker.say(frames.Models([resident("embedding", "loading", reason="loading fake")]))
        worker.say(frames.Models([]))
        worker.say(frames.NotLoaded("embedding", "unavailable", "The weights are damaged.", "Install them again."))
    else:
        good(worker, message)


def choking(worker: Worker, message: frames.ToWorker) -> None:
    """A worker that dies of loading the reranker."""
    if isinstance(message, frames.Rerank):
        worker.say(frames.Models([resident("reranker", "loading")]))
        worker.die()
    else:
        good(worker, message)


class Machine:
    """Gives the engine one scripted worker after the other; the last script serves all that follow."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.scripts: list[Script] = [good]
        self.workers: list[Worker] = []
        self.events: list[tuple[str, str]] = []
        self.paths = Paths.from_environment({"QMD_HOME": str(tmp_path)})
        monkeypatch.setattr(lives.Process, "start", self._start)
        monkeypatch.setattr(lives, "RETRY_S", (0.0, 0.0))

    async def _start(self, group: asyncio.TaskGroup) -> Worker:
        script = self.scripts[min(len(self.workers), len(self.scripts) - 1)]
        self.workers.append(Worker(script, pid=1000 + len(self.workers)))
        return self.workers[-1]

    def engine(self, **settings: object) -> Engine:
        config = EngineConfig(**{"kind": "fake", **settings})  # type: ignore[arg-type]
        return Engine(config, self.paths, self._publish)

    def _publish(self, topic: str, event: object) -> None:
        assert isinstance(event, ModelsEvent)
        self.events.append((topic, event.engine.state))


async def embed(engine: Engine, *texts: str, **options: object) -> list[float]:
    """The first number of each vector."""
    vectors = await engine.embed(texts, kind="document", **options)  # type: ignore[arg-type]
    assert vectors.shape == (len(texts), fake.INFO.dimension)
    assert vectors.dtype == np.float32
    return vectors[:, 0].tolist()


async def refused(engine: Engine, *texts: str, **options: object) -> QmdError:
    with pytest.raises(QmdError) as caught:
        await embed(engine, *texts, **options)
    return caught.value
