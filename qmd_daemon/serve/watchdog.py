"""Feeds systemd's watchdog, as long as the event loop turns and the store's writers answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import structlog

from qmd_daemon.systemd import Notifier

# Of the time after which systemd gives up: so often it is told, and so long a writer may take to answer.
_SHARE = 1 / 3
log = structlog.get_logger()


class Watchdog:
    """Enter it to feed. Does nothing where nobody wants to be told."""

    def __init__(
        self,
        notifier: Notifier,
        answered: Callable[[], Awaitable[None]],
        copying: Callable[[], bool],
        status: Callable[[], str],
    ) -> None:
        """`answered` returns when every writer has done nothing, once. `copying`: a writer is known to be at something
        that takes long, such as compacting a file, so that its silence is no sign.
        """
        self._notifier = notifier
        self._answered = answered
        self._copying = copying
        self._status = status

    async def __aenter__(self) -> Self:
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self._feeding = self._tasks.create_task(self._feed()) if self._notifier.watchdog_s else None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._feeding:
            self._feeding.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def _feed(self) -> None:
        interval_s = self._notifier.watchdog_s * _SHARE
        while True:
            try:
                async with asyncio.timeout(interval_s):
                    await self._answered()
                alive = True
            except TimeoutError:
                alive = self._copying()
            except Exception:
                log.exception("watchdog.failed")
                alive = False
            if alive:
                self._notifier.send("WATCHDOG=1", f"STATUS={self._status()}")
            else:
                log.error("watchdog.starved")
            await asyncio.sleep(interval_s)
