"""What `ssh -L` does with a daemon's sockets: listens at a path here, and passes all bytes on to another path."""

from __future__ import annotations

import os
import socket
import threading
from types import TracebackType
from typing import Self

_BYTES = 65536


class Forward:
    """Enter it to listen in `here` for the two sockets of the daemon in `there`; leaving cuts every connection."""

    def __init__(self, here: str, there: str) -> None:
        self._here, self._there = here, there
        self._open: list[socket.socket] = []
        self.connections = 0

    def __enter__(self) -> Self:
        for name in ("rpc.sock", "events.sock"):
            place = os.path.join(self._here, name)
            if os.path.exists(place):
                os.unlink(place)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(place)
            listener.listen()
            self._open.append(listener)
            threading.Thread(target=self._accept, args=(listener, os.path.join(self._there, name)), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in self._open:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # gone already
            one.close()

    def _accept(self, listener: socket.socket, place: str) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            self._open += [near, far]
            self.connections += 1
            far.connect(place)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_pass_on, args=(source, sink), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    try:
        while part := source.recv(_BYTES):
            sink.sendall(part)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # cut
