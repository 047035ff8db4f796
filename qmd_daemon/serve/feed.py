"""The events for those who are not on ZeroMQ: each listener has a short queue, and a slow one loses the oldest."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from typing import NamedTuple

from msgspec import Struct

from ipc.errors import QmdError
from ipc.protocol import Topic

LISTENERS_MAX = 64
_QUEUED_MAX = 100


class Event(NamedTuple):
    topic: Topic
    event: Struct


class Feed:
    """`publish` may be called from any thread; it never blocks and never raises."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._queues: set[asyncio.Queue[Event | None]] = set()

    @property
    def listeners(self) -> int:
        return len(self._queues)

    def publish(self, topic: Topic, event: Struct) -> None:
        if not self._queues or self._loop is None:
            return
        if threading.get_ident() == self._thread:
            self._put(Event(topic, event))
        else:
            try:
                self._loop.call_soon_threadsafe(self._put, Event(topic, event))
            except RuntimeError:
                pass  # the loop is closed: nobody listens any more

    async def listen(self, silence_s: float) -> AsyncGenerator[Event | None, None]:
        """Every event from now on, and None after so much silence; ends with the daemon.

        Raises QmdError("overloaded") when there are too many listeners.
        """
        if len(self._queues) >= LISTENERS_MAX:
            raise QmdError("overloaded", f"{LISTENERS_MAX} clients follow the events already.", "Try again later.")
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        queue: asyncio.Queue[Event | None] = asyncio.Queue(_QUEUED_MAX)
        self._queues.add(queue)
        try:
            while True:
                try:
                    async with asyncio.timeout(silence_s):
                        event = await queue.get()
                except TimeoutError:
                    yield None
                    continue
                if event is None:
                    return
                yield event
        finally:
            self._queues.discard(queue)

    def close(self) -> None:
        """Nobody is told anything any more."""
        self._put(None)

    def _put(self, event: Event | None) -> None:
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)
