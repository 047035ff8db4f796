"""The PUB socket: what happens in the daemon, for whoever listens."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Any, Self

import zmq
from msgspec import Struct

from ipc import codec
from ipc.protocol import Topic
from ipc.transport import Listener, unlink_stale


class Events:
    """Enter it to listen; `publish` may then be called from any thread. It never blocks and never raises."""

    def __init__(self, context: zmq.Context[Any], address: str) -> None:
        self._context = context
        self._address = address

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        # A plain socket: a PUB drops what a slow listener cannot take, so sending never waits.
        self._socket = zmq.Context(self._context).socket(zmq.PUB)
        unlink_stale(self._address)
        self._listener = Listener(self._socket, self._address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.remove()
        self._socket.close()

    def publish(self, topic: Topic, event: Struct) -> None:
        """Send an event to whoever listens now."""
        frames = [topic.encode(), codec.encode(event)]
        if threading.get_ident() == self._thread:
            self._send(frames)
        else:
            try:
                self._loop.call_soon_threadsafe(self._send, frames)
            except RuntimeError:
                pass  # the loop is closed: nobody listens any more

    def _send(self, frames: list[bytes]) -> None:
        if not self._socket.closed:
            self._socket.send_multipart(frames, zmq.NOBLOCK)
