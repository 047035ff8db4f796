"""Starting, ready, stopping: what a ping tells, and the one event that ends the daemon."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Literal

from ipc.protocol import PROTOCOL_VERSION, Pong

Phase = Literal["starting", "ready", "stopping"]


class Lifecycle:
    """`http` is the address that HTTP is served on, `tcp` that of ZeroMQ; or "" with the reason in `note`."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.phase: Phase = "starting"
        self.http = ""
        self.tcp = ""
        self.note = ""
        self._started = time.monotonic()
        self._stop = asyncio.Event()

    @property
    def uptime_s(self) -> float:
        return time.monotonic() - self._started

    @property
    def state(self) -> str:
        """The phase, in words for a person."""
        return f"{self.phase} ({self.note})" if self.note else self.phase

    def pong(self) -> Pong:
        return Pong(
            protocol=PROTOCOL_VERSION,
            version=self.version,
            pid=os.getpid(),
            ready=self.phase == "ready",
            state=self.state,
            http=self.http,
        )

    def stop(self) -> None:
        """Ask the daemon to drain and exit. For signal handlers too: it only sets an event."""
        self.phase = "stopping"
        self._stop.set()

    async def stopped(self) -> None:
        """Wait until somebody has asked for the end."""
        await self._stop.wait()
