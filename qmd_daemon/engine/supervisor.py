"""The daemon's side of the model worker: starts it on the first need, watches it, restarts it, stops it when idle.

off ──need──▶ starting ──ready──▶ ready ──idle──▶ off
               │    ▲               │
     refused,  │    └──died, hung───┘   what was being computed is sent once more
     3 times   ▼
             failed ──need, after a while──▶ starting
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Literal, Self

import numpy as np
import structlog

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import EngineStatus, ModelsEvent, Publish
from qmd_daemon.config import EngineConfig
from qmd_daemon.engine import fake, frames
from qmd_daemon.engine.model import Kind, ModelInfo, Priority, Vectors
from qmd_daemon.engine.pending import Part, Pending
from qmd_daemon.engine.process import Process
from qmd_daemon.weights import catalog, installed, profiles

# Waits before the second and third start in a row. After the last failure everybody is told.
RETRY_S = (0.2, 1.0)
# How long a failure is the answer to everybody, before the next start is tried.
COOL_DOWN_S = 10.0
# Longer texts are cut before they are sent: no 256 tokens of ordinary text are so long (a word is at most 100
# characters to a BERT tokenizer), and tokenising megabytes to throw them away would hold up the others.
CHARACTERS_PER_TOKEN = 128
_log = structlog.get_logger("qmd.engine")


class Engine:
    """Turns texts into vectors, in a worker process of its own. Enter it, and leave it, once."""

    def __init__(self, config: EngineConfig, paths: Paths, publish: Publish) -> None:
        """Raises QmdError("invalid") when the configuration names a model that nobody knows."""
        self._config = config
        self._models = paths.models
        self._publish = publish
        self._entry = profiles.choose(config, paths.models).embedding
        self._info = fake.INFO if config.kind == "fake" else None
        self._pending = Pending(fake.INFO.dimension if config.kind == "fake" else self._entry.dimension)
        self._group = asyncio.TaskGroup()
        self._need = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._process: Process | None = None
        self._state: Literal["off", "starting", "ready", "failed"] = "off"
        self._reason = ""
        self._ready: frames.Ready | None = None
        self._error: QmdError | None = None  # why the last start failed
        self._failures = 0  # starts in a row that led to nothing
        self._cool_at = 0.0
        self._idle_since = 0.0
        self._restarts = 0
        self._delay_s = 0.0  # before the next start

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._task = self._group.create_task(self._supervise(), name="engine")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._task:
            self._task.cancel()
        self._task = None
        # Not told of the error: the group has nothing left to cancel, and would wrap it.
        await self._group.__aexit__(None, None, None)

    # -- what the rest of the daemon asks -----------------------------------------------------

    @property
    def worker_pid(self) -> int:
        """0 when there is no worker."""
        return self._process.pid if self._process else 0

    def model(self) -> ModelInfo | None:
        """Describe the model, without starting the worker. None when it is not installed."""
        if self._info is None and (found := installed.locate(self._entry, self._models)):
            entry = self._entry
            self._info = ModelInfo(
                name=entry.name,
                fingerprint=catalog.fingerprint(entry),
                dimension=entry.dimension,
                max_tokens=entry.max_tokens,
                tokenizer_file=found.tokenizer_file,
                languages=entry.languages,
            )
        return self._info

    def status(self) -> EngineStatus:
        info = self.model()
        error = catalog.missing(self._entry) if info is None else self._error
        return EngineStatus(
            state="no_model" if info is None else self._state,
            engine=self._config.kind,
            model=info.name if info else self._entry.name,
            dimension=info.dimension if info else 0,
            device=self._ready.device if self._ready else "",
            compute_type=self._ready.compute_type if self._ready else "",
            reason=error.message if error else self._reason,
            hint=error.hint if error else "",
            pid=self.worker_pid,
            queued=self._pending.texts,
            restarts=self._restarts,
        )

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: Kind,
        priority: Priority = Priority.INTERACTIVE,
        deadline_s: float | None = None,
    ) -> Vectors:
        """Return a vector of length 1 for each text, in order: float32, (len(texts), dimension).

        Starts the worker if need be. Cancel the waiting task, and the texts leave the queue. Raises QmdError:
        no_model, overloaded (the queue is full), deadline, or unavailable (the worker does not start, or has
        died twice over these texts).
        """
        info = self._admit(len(texts))
        if not texts:
            return np.empty((0, info.dimension), np.float32)
        longest = info.max_tokens * CHARACTERS_PER_TOKEN
        # Half a surrogate pair, which JSON can bring, is no text: it becomes "?".
        clean = [text[:longest].encode("utf-8", "replace").decode() for text in texts]
        parts = self._pending.add(clean, kind, priority, time.monotonic() + deadline_s if deadline_s else None)
        try:
            self._need.set()
            self._send(parts)
            async with asyncio.timeout(deadline_s):
                return np.concatenate([await part.vectors for part in parts])
        except TimeoutError:
            raise QmdError("deadline", "The texts were not embedded in time.") from None
        finally:
            for part in parts:
                if self._pending.release(part) and self._process:
                    self._process.send(frames.Drop(part.request.id))
            if not self._pending:
                self._idle_since = time.monotonic()

    def _admit(self, count: int) -> ModelInfo:
        info = self.model()
        if info is None:
            raise catalog.missing(self._entry)
        if self._task is None:
            raise QmdError("unavailable", "The daemon is stopping.")
        if self._error and time.monotonic() < self._cool_at:
            raise self._error
        if count and self._pending.texts + count > self._config.queue_texts:
            raise QmdError("overloaded", "Too many texts are waiting for the model.", "Try again in a while.")
        return info

    # -- one life of the worker after another --------------------------------------------------

    async def _supervise(self) -> None:
        try:
            while True:
                await self._need.wait()
                self._need.clear()
                while self._pending:
                    await self._live()
                    await asyncio.sleep(self._delay_s)
        finally:
            self._pending.fail(QmdError("unavailable", "The daemon is stopping."))

    async def _live(self) -> None:
        """Start a worker, and serve with it until it ends."""
        self._error = None
        self._turn("starting")
        try:
            process = await Process.start(self._group)
        except OSError as error:
            self._not_started(f"cannot be launched: {error.strerror}")
            return
        self._process = process
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(self._watch(process), name="engine.watch")
                config = self._config
                name = self._entry.name
                process.send(frames.Load(config.kind, name, self._models, config.device, config.threads))
                async for message in process.messages():
                    self._handle(message, process)
                watch.cancel()
        finally:
            self._process = None
            await process.stop()
        self._ended(process)

    def _handle(self, message: frames.FromWorker, process: Process) -> None:
        match message:
            case frames.Loading():
                self._turn("starting", message.reason)
            case frames.Ready():
                self._ready = message
                self._idle_since = time.monotonic()
                self._turn("ready", message.reason)
                self._send(self._pending.unsent())
            case frames.Refused():
                self._error = QmdError(message.code, message.message, message.hint)
                process.close()
            case frames.Begun():
                self._pending.begun(message.ids)
            case frames.Embedded():
                self._failures = 0
                self._pending.embedded(message.id, message.vectors)
            case frames.Failed():
                self._pending.failed(message.id, QmdError(message.code, message.message, message.hint))
            case frames.Pong():
                if message.busy_s > self._config.hang_s:
                    process.kill(f"was killed, since it was stuck in a batch for {message.busy_s:.0f} s")

    def _send(self, parts: Sequence[Part]) -> None:
        """Send them if there is a worker; otherwise the next one gets them when it is ready."""
        if self._process and self._state == "ready":
            for part in parts:
                part.sent = True
                self._process.send(part.request)

    async def _watch(self, process: Process) -> None:
        """Kill the worker when it hangs, close it when it is idle."""
        config = self._config
        tick_s = min(1.0, config.hang_s / 4, config.idle_s / 4)
        while True:
            await asyncio.sleep(tick_s)
            now = time.monotonic()
            if self._state == "starting":
                if now - process.started_at > config.start_s:
                    process.kill(f"was killed, since it was not ready within {config.start_s:g} s")
            # Pings, not the clock: when this process was stopped, time passed, but nobody was silent.
            elif process.unanswered * tick_s > config.hang_s:
                process.kill(f"was killed, since it was silent for {config.hang_s:g} s")
            elif not self._pending and now - self._idle_since > config.idle_s:
                self._process = None  # what comes from now on is for the next one
                process.close()
                return
            process.ping()

    def _ended(self, process: Process) -> None:
        """A worker is gone: decide what becomes of the texts that it had."""
        was_ready, self._ready = self._state == "ready", None
        suspects = self._pending.lost(process.ending)
        if self._error:
            self._fail(self._error)
        elif process.closed:
            _log.info("engine.stopped", reason="idle")
            self._turn("off")
        elif was_ready and (suspects or not self._pending):
            self._restarts += 1
            self._delay_s = 0.0
            _log.warning("engine.died", how=process.ending)
            self._turn("off", f"The model worker {process.ending}.")
        else:
            self._not_started(process.ending)

    def _not_started(self, how: str) -> None:
        """Nothing came of a start: try again a little later, but not for ever."""
        self._failures += 1
        _log.warning("engine.not_started", how=how, failures=self._failures)
        if self._failures > len(RETRY_S):
            message = f"The model worker does not start: it {how}."
            self._fail(QmdError("unavailable", message, "The daemon's log says more."))
        else:
            self._delay_s = RETRY_S[self._failures - 1]
            self._turn("off", f"The model worker {how}.")

    def _fail(self, error: QmdError) -> None:
        """Everybody is told, now and for a while."""
        self._error = error
        self._cool_at = time.monotonic() + COOL_DOWN_S
        self._delay_s = 0.0
        self._pending.fail(error)
        _log.error("engine.failed", reason=error.message)
        self._turn("failed")

    def _turn(self, state: Literal["off", "starting", "ready", "failed"], reason: str = "") -> None:
        self._state, self._reason = state, reason
        self._publish("models", ModelsEvent(engine=self.status()))
