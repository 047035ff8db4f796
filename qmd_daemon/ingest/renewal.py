"""Vectors of another model than the one in use are made anew in the background, without anybody asking for it.

The old ones are searched until then. It begins once for each index and model in a daemon's life: somebody who
cancels it is not to find it running again.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

import structlog

from ipc.errors import QmdError
from qmd_daemon.engine.model import ModelInfo
from qmd_daemon.store import chunks
from qmd_daemon.store.index import Indexes

# A look costs each open index a line of SQL. What it leads to takes minutes.
INTERVAL_S = 5.0
log = structlog.get_logger()


class Embedder(Protocol):
    """What is needed of the engine."""

    def model(self) -> ModelInfo | None: ...


class Renewal:
    """Enter it to begin; leave it to stop. `start` is given the name of an index to embed, and queues a job."""

    def __init__(
        self, indexes: Indexes, engine: Embedder, start: Callable[[str], object], interval_s: float = INTERVAL_S
    ) -> None:
        self._indexes = indexes
        self._engine = engine
        self._start = start
        self._interval_s = interval_s
        self._begun: set[tuple[str, str]] = set()

    async def __aenter__(self) -> Self:
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self._looking = self._tasks.create_task(self._look_on(), name="renewal")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._looking.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def _look_on(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._interval_s)

    async def look(self) -> None:
        """Begin with every open index that has vectors of another model. Never raises."""
        model = self._engine.model()
        for index in self._indexes.open_ones() if model else ():
            key = (index.name, model.fingerprint if model else "")
            try:
                space = await index.database.read(chunks.active)
                if space is None or space.made_by(key[1]) or key in self._begun:
                    continue
                self._begun.add(key)
                self._start(index.name)
            except (QmdError, sqlite3.Error) as error:
                # Whoever asks for this index is told what is wrong with it.
                log.info("renewal.not_begun", index=index.name, reason=str(error))
            else:
                log.info("renewal.begun", index=index.name, before=space.model)
