"""The GPU meter's readings, once a second, for whoever listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from ipc.protocol import GpuSample, Publish

INTERVAL_S = 1.0

log = structlog.get_logger()


class Telemetry:
    """Enter it to measure; `last` is the newest reading, None before the first.

    `sample` blocks for some milliseconds, so it runs in a thread.
    """

    def __init__(
        self,
        sample: Callable[[], GpuSample],
        publish: Publish,
        interval_s: float = INTERVAL_S,
        *,
        also: Callable[[GpuSample], GpuSample] = lambda sample: sample,
    ) -> None:
        """`also` completes a reading with what the loop knows, and runs there."""
        self._sample = sample
        self._also = also
        self._publish = publish
        self._interval_s = interval_s
        self.last: GpuSample | None = None

    async def __aenter__(self) -> Self:
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self._measuring = self._tasks.create_task(self._measure())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._measuring.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def _measure(self) -> None:
        while True:
            try:
                self.last = self._also(await asyncio.to_thread(self._sample))
            except Exception:
                log.exception("telemetry.failed")
                return  # a meter is not worth a daemon
            self._publish("gpu", self.last)
            await asyncio.sleep(self._interval_s)
