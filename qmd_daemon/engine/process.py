"""One life of the worker process, as the daemon sees it: start, send, receive, stop. Decides nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Mapping

import structlog

from qmd_daemon.engine import complaints, frames, tuning

# It ends at once when its socket closes. Where it does not, nothing is lost by killing it.
STOP_S = 2.0
_log = structlog.get_logger("qmd.engine")


class Process:
    """A running worker. Make it with `start`; `stop` it in every case."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._listener: asyncio.Task[None] | None = None
        self.started_at = time.monotonic()
        self.closed = False  # by us
        self.unanswered = 0  # pings since its last sign of life
        self.killed_because = ""
        self.last_error = ""  # the last line that it wrote to stderr

    @classmethod
    async def start(cls, group: asyncio.TaskGroup, variables: Mapping[str, str] | None = None) -> Process:
        """Launch a worker; `group` owns the task that reads its stderr. Raises OSError when none can be launched."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "qmd_daemon.engine.worker",
                    str(theirs.fileno()),
                    stdin=DEVNULL,
                    stdout=DEVNULL,
                    stderr=PIPE,
                    pass_fds=(theirs.fileno(),),
                    # What this user set by hand wins over what we think is best.
                    env={**tuning.environment(), **os.environ, **(variables or {})},
                    start_new_session=True,  # signals of the daemon's terminal are the daemon's
                )
            except BaseException:
                ours.close()
                raise
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        self = cls(process, reader, writer)
        self._listener = group.create_task(self._log_errors(), name="engine.stderr")
        return self

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ending(self) -> str:
        """How it ended, in words. Only after `stop`."""
        if self.killed_because:
            return self.killed_because
        code = self._process.returncode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        return f"{how}: {self.last_error}" if self.last_error else how

    def send(self, message: frames.ToWorker) -> None:
        """Send without waiting. What a dead worker is sent is lost; `messages` ends then."""
        self._writer.write(frames.pack(message))

    def ping(self) -> None:
        self.unanswered += 1
        self.send(frames.Ping())

    async def messages(self) -> AsyncIterator[frames.FromWorker]:
        """Yield what it says, until it ends."""
        while (message := await frames.receive(self._reader)) is not None:
            self.unanswered = 0
            yield message

    def close(self) -> None:
        """Ask it to end: `messages` ends now."""
        self.closed = True
        self._writer.close()

    def kill(self, because: str) -> None:
        self.killed_because = self.killed_because or because
        if self._process.returncode is None:
            self._process.kill()

    async def stop(self) -> None:
        """End it, if need be by force, and return when it is gone."""
        self._writer.close()
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            self.kill(f"was killed, since it did not end within {STOP_S:g} s")
        finally:
            if self._process.returncode is None:
                self._process.kill()
        await self._process.wait()
        if self._listener:
            await self._listener

    async def _log_errors(self) -> None:
        while errors := self._process.stderr:
            try:
                line = await errors.readline()
            except ValueError:  # longer than the stream keeps; it has dropped it
                continue
            if not line:
                return
            requests, text = complaints.read(line.decode(errors="replace").rstrip())
            self.last_error = text.strip() or self.last_error
            named = {"request": requests} if requests else {}
            _log.warning("engine.worker_stderr", line=text, **named)
