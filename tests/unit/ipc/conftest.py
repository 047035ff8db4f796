"""A daemon's end of the line that says what the test tells it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

from ipc import transport
from ipc.paths import Paths

Json = dict[str, Any]
Told = list[Json | tuple[Json, bytes]]


class Router(threading.Thread):
    """A ROUTER in a thread. `answer` gets each request and returns its replies, which get the request's id."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.answer: Callable[[Json], Told] = lambda _: [{}]
        self.received: list[Json] = []
        self._context = zmq.Context()
        self._stop_in, self._stop_out = self._context.socket(zmq.PAIR), self._context.socket(zmq.PAIR)
        self._stop_in.bind("inproc://stop")
        self._stop_out.connect("inproc://stop")
        self._socket = self._context.socket(zmq.ROUTER)
        self._listener = transport.Listener(self._socket, address)
        self.start()

    def run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._stop_out, zmq.POLLIN)
        while self._stop_out not in dict(poller.poll()):
            peer, (body,) = transport.read_frames(self._socket.recv_multipart())
            request = json.loads(body)
            self.received.append(request)
            for told in self.answer(request):
                reply, *binary = told if isinstance(told, tuple) else (told,)
                parts = json.dumps({"id": request["id"]} | reply).encode(), *binary
                self._socket.send_multipart(peer.frames(*parts))
        self._socket.close(0)
        self._stop_out.close()

    def die(self) -> None:
        """End as a killed daemon does: at once, leaving its file behind. For `answer`, too."""
        self._stop_in.send(b"")

    def stop(self) -> None:
        """May be called twice."""
        if self._context.closed:
            return
        if self.is_alive():
            self.die()
            self.join()
        self._listener.remove()
        self._stop_in.close()
        self._context.term()


@pytest.fixture
def router(home: Paths) -> Iterator[Router]:
    from ipc.paths import private_dir

    private_dir(home.runtime)
    running = Router(home.rpc)
    yield running
    running.stop()
