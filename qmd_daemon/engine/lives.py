"""The lives of the worker process, one after another: started on the first need, watched, restarted, stopped when idle.

off ──need──▶ starting ──ready──▶ ready ──no model left──▶ off
               │    ▲               │
     died,     │    └──died, hung───┘   what was being computed is sent once more
     3 times   ▼
             failed ──need, after a while──▶ starting
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import structlog

from ipc.errors import QmdError
from qmd_daemon.config import EngineConfig
from qmd_daemon.engine import frames
from qmd_daemon.engine.pending import Part, Pending
from qmd_daemon.engine.process import Process
from qmd_daemon.engine.roster import COOL_DOWN_S, Roster

State: TypeAlias = Literal["off", "starting", "ready", "failed"]
# Waits before the second and third start in a row. After the last failure everybody is told.
RETRY_S = (0.2, 1.0)
# A worker that has not got the device that was wanted is replaced after so long, in a quiet moment: a driver
# that was missing may be there now, and a process that has failed to find it once does not look again.
DEVICE_RETRY_S = 600.0
QUIET_S = 5.0
_log = structlog.get_logger("qmd.engine")


class Computed(NamedTuple):
    """What the models have done, of all lives together: batches, the pieces of texts in them, their tokens."""

    batches: int = 0
    pieces: int = 0
    tokens: int = 0


class Lives:
    """Run `supervise` in a task. `changed` is called whenever something is worth telling."""

    def __init__(
        self,
        config: EngineConfig,
        start: Callable[[], frames.Start],
        pending: Pending,
        roster: Roster,
        changed: Callable[[], None],
    ) -> None:
        """`start` makes the first message to a worker."""
        self._config = config
        self._start = start
        self._pending = pending
        self._roster = roster
        self._changed = changed
        self._need = asyncio.Event()
        self._process: Process | None = None
        self.state: State = "off"
        self.reason = ""
        self.restarts = 0
        self.computed = Computed()
        self._error: QmdError | None = None  # why no worker has started
        self._cool_at = 0.0
        self._failures = 0  # starts, or models begun with, in a row that led to nothing
        self._delay_s = 0.0  # before the next start
        self._idle_since = 0.0
        self._renew: Callable[[], None] | None = None  # called when nothing is asked of the worker, which then goes
        self._settled = asyncio.Event()  # not while the worker is to be replaced
        self._settled.set()

    @property
    def pid(self) -> int:
        """0 when there is no worker."""
        return self._process.pid if self._process else 0

    @property
    def error(self) -> QmdError | None:
        """Why no worker has started the last time, until one does."""
        return self._error

    def check(self) -> None:
        """Raises QmdError when no worker has started, not long ago."""
        if self._error and time.monotonic() < self._cool_at:
            raise self._error

    def retire(self, renew: Callable[[], None]) -> None:
        """Replace the worker in the next quiet moment, in which `renew` is called."""
        self._renew = renew
        self._settled.clear()

    async def settled(self) -> None:
        """Wait while the worker is to be replaced: whoever never pauses would put that off for ever."""
        await self._settled.wait()

    def send(self, parts: Sequence[Part]) -> None:
        """Send them if there is a worker; otherwise one is started, and gets them when it is ready."""
        self._need.set()
        if self._process and self.state == "ready":
            for part in parts:
                part.sent = True
                self._process.send(part.request)

    def tell(self, message: frames.Adopt) -> None:
        """Let the worker know, if there is one. What the next one has to know is in its first message."""
        if self._process:
            self._process.send(message)

    def drop(self, part: Part) -> None:
        """Nobody waits for it any more."""
        if self._pending.release(part) and self._process:
            self._process.send(frames.Drop(part.request.id))
        if not self._pending:
            self._idle_since = time.monotonic()

    async def supervise(self, group: asyncio.TaskGroup) -> None:
        """Never returns. `group` owns the tasks of the processes."""
        try:
            while True:
                await self._need.wait()
                self._need.clear()
                while self._pending:
                    await self._live(group)
                    await asyncio.sleep(self._delay_s)
                self._change()
        finally:
            self._pending.fail(QmdError("unavailable", "The daemon is stopping."))

    async def _live(self, group: asyncio.TaskGroup) -> None:
        """Start a worker, and serve with it until it ends."""
        self._error = None
        self._turn("starting")
        try:
            process = await Process.start(group)
        except OSError as error:
            self._not_started(f"cannot be launched: {error.strerror}")
            return
        self._process = process
        _log.info("engine.started", pid=process.pid)
        try:
            async with asyncio.TaskGroup() as inner:
                watch = inner.create_task(self._watch(process), name="engine.watch")
                process.send(self._start())
                async for message in process.messages():
                    self._handle(message, process)
                watch.cancel()
        finally:
            self._process = None
            await process.stop()
        self._ended(process)

    def _handle(self, message: frames.FromWorker, process: Process) -> None:
        match message:
            case frames.Ready():
                self._idle_since = time.monotonic()
                self.state = "ready"  # told when it has its first model
                self.send(self._pending.unsent())
            case frames.Models():
                if self._roster.report(message):
                    self._changed()
            case frames.NotLoaded():
                error = QmdError(message.code, message.message, message.hint)
                self._roster.failed(message.role, error)
                self._pending.fail(error, message.role, sent=True)
                self._changed()
            case frames.Begun():
                self._pending.begun(message.ids)
            case frames.Failed():
                self._pending.failed(message.id, QmdError(message.code, message.message, message.hint))
            case frames.Pong():
                done = self.computed
                self.computed = Computed(
                    done.batches + message.batches, done.pieces + message.pieces, done.tokens + message.tokens
                )
                if message.busy_s > self._config.hang_s:
                    process.kill(f"was killed, since it was stuck in a batch for {message.busy_s:.0f} s")
                elif message.loading_s > self._config.start_s:
                    process.kill(f"was killed, since a model was not loaded within {self._config.start_s:g} s")
            case _:
                self._failures = 0
                self._pending.answered(message.id, _result(message))

    async def _watch(self, process: Process) -> None:
        """Kill the worker when it hangs, close it when it has nothing to do."""
        config = self._config
        tick_s = min(1.0, config.hang_s / 4, config.idle_s / 4)
        while True:
            await asyncio.sleep(tick_s)
            now = time.monotonic()
            if self.state == "starting":
                if now - process.started_at > config.start_s:
                    process.kill(f"was killed, since it was not ready within {config.start_s:g} s")
            # Pings, not the clock: when this process was stopped, time passed, but nobody was silent.
            elif process.unanswered * tick_s > config.hang_s:
                process.kill(f"was killed, since it was silent for {config.hang_s:g} s")
            elif not self._pending and self._may_go(process, now):
                self._process = None  # what comes from now on is for the next one
                self._change()
                process.close()
                return
            process.ping()

    def _change(self) -> None:
        """Nothing is asked of any worker now."""
        if self._renew is not None:
            self._renew()
            self._renew = None
            self._settled.set()

    def _may_go(self, process: Process, now: float) -> bool:
        return self._renew is not None or not self._roster.residents or self._wants_another_device(process, now)

    def _wants_another_device(self, process: Process, now: float) -> bool:
        old = now - process.started_at > DEVICE_RETRY_S and now - self._idle_since > QUIET_S
        return old and any(resident.fallback for resident in self._roster.residents.values())

    def _ended(self, process: Process) -> None:
        """A worker is gone: decide what becomes of the requests that it had."""
        was_ready, loading = self.state == "ready", self._roster.loading()
        self._roster.worker_gone()
        suspects = self._pending.lost(process.ending)
        if process.closed:
            _log.info("engine.stopped", reason="idle")
            self._turn("off")
        elif was_ready and not loading and (suspects or not self._pending):
            self.restarts += 1
            self._delay_s = 0.0
            requests = {name for part in suspects if (name := frames.request_of(part.request))}
            _log.warning("engine.died", how=process.ending, request=",".join(sorted(requests)))
            self._turn("off", f"The model worker {process.ending}.")
        elif loading and self._failures == len(RETRY_S):
            # It dies of the model. The others, in a worker of their own, need not.
            self._failures, self._delay_s = 0, 0.0
            for role in loading:
                message = f"The model worker does not survive loading its model as {role}: it {process.ending}."
                error = QmdError("unavailable", message, "The daemon's log says more.")
                self._roster.failed(role, error)
                self._pending.fail(error, role)
            self._turn("off")
        else:
            self.restarts += was_ready
            self._not_started(process.ending)

    def _not_started(self, how: str) -> None:
        """Nothing came of a start: try again a little later, but not for ever."""
        self._failures += 1
        _log.warning("engine.not_started", how=how, failures=self._failures)
        if self._failures <= len(RETRY_S):
            self._delay_s = RETRY_S[self._failures - 1]
            self._turn("off", f"The model worker {how}.")
            return
        # Everybody is told, now and for a while.
        message = f"The model worker does not start: it {how}."
        self._error = QmdError("unavailable", message, "The daemon's log says more.")
        self._cool_at = time.monotonic() + COOL_DOWN_S
        self._delay_s = 0.0
        self._pending.fail(self._error)
        _log.error("engine.failed", reason=message)
        self._turn("failed")

    def _turn(self, state: State, reason: str = "") -> None:
        self.state, self.reason = state, reason
        self._changed()


def _result(answer: frames.Embedded | frames.Scored | frames.Expanded | frames.Done) -> object:
    match answer:
        case frames.Embedded():
            return np.frombuffer(answer.vectors, "<f4")
        case frames.Scored():
            return answer.scores
        case frames.Expanded():
            return answer.lines
    return None
