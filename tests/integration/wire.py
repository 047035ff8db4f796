"""A TCP connection in the middle: what a client has sent is kept, and can be sent again."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import NamedTuple, Self

_WAIT_S = 20.0


def place(address: str) -> tuple[str, int]:
    """`tcp://HOST:PORT` -> host and port."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    return host, int(port)


class Packet(NamedTuple):
    """What a client has sent, and how many bytes it had been answered before."""

    data: bytes
    answered: int


class Wire:
    """Enter it to listen at `address`, for one client; its bytes go to `target`, the answers come back."""

    def __init__(self, target: str) -> None:
        self._target = place(target)
        self.sent: list[Packet] = []
        self._answered = 0
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        self._door = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._door.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _end(self._server)
        self._thread.join(_WAIT_S)
        self._door.close()

    def repeat(self) -> None:
        """Send the client's last packet once more, and wait until the daemon has closed the connection."""
        self._server.sendall(self.sent[-1].data)
        assert self._closed.wait(_WAIT_S), "the daemon has taken a packet twice"

    def _serve(self) -> None:
        client, _ = self._door.accept()
        self._server = socket.create_connection(self._target)
        back = threading.Thread(target=self._answer, args=(client,))
        back.start()
        with client, self._server:
            while data := _received(client):
                self.sent.append(Packet(data, self._answered))
                self._server.sendall(data)
            _end(self._server)
            back.join(_WAIT_S)

    def _answer(self, client: socket.socket) -> None:
        while data := _received(self._server):
            self._answered += len(data)
            client.sendall(data)
        self._closed.set()
        _end(client)


def replay(packets: list[Packet], target: str) -> bytes:
    """Send what a client has sent, each part when as much was answered as then; what is answered until it hangs up."""
    answered = b""
    with socket.create_connection(place(target), timeout=_WAIT_S) as line:
        for packet in packets:
            while len(answered) < packet.answered and (data := _received(line)):
                answered += data
            try:
                line.sendall(packet.data)
            except OSError:  # it has hung up already
                break
        while data := _received(line):
            answered += data
    return answered


def _end(line: socket.socket) -> None:
    """Hang up, if that has not been done."""
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _received(line: socket.socket) -> bytes:
    """What has come; nothing after the end, however that came about."""
    try:
        return line.recv(65536)
    except ConnectionError:
        return b""
