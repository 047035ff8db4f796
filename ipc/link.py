"""A client's connection to the daemon's `rpc` socket, from the first attempt to the loss.

A request must never reach a daemon that comes later, and a reply that has arrived must never be lost. libzmq's own
ZMQ_IMMEDIATE gives the first and takes the second: when the peer goes, it drops what was not read yet. So nothing is
sent before the handshake is reported, and a connection that was lost is thrown away with what was queued on it.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import zmq

from ipc import curve, transport
from ipc.curve import Keys
from ipc.errors import DaemonUnreachable, QmdError

_OTHER = "Whoever listens there does not take this key file."
_OTHER_HINT = "It is of another daemon, or that is none: `qmd keys create` where it runs makes one."
# What libzmq reports of a handshake that came to nothing -> what that means.
_REFUSALS: dict[int, tuple[str, str]] = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: (
        "The daemon does not know this key, or not any more.",
        "`qmd keys list` where it runs shows those that it knows.",
    ),
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: (_OTHER, _OTHER_HINT),
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: (_OTHER, _OTHER_HINT),
}
_FAILED = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL


class Link:
    """Blocks nowhere but in `wait`. Once `lost`, close it and make another."""

    def __init__(self, context: zmq.Context[Any], address: str, keys: Keys | None = None) -> None:
        """`keys` for a daemon elsewhere. Raises QmdError("unauthorized") where there are none for it."""
        if curve.is_tcp(address) and keys is None:
            raise QmdError("unauthorized", f"A key is needed for {address}.", "Name its file with --key.")
        self._socket: zmq.Socket[bytes] = context.socket(zmq.DEALER)
        transport.prepare(self._socket)
        if keys is not None:
            curve.be_client(self._socket, keys)
        self._monitor = self._socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | _FAILED
        )
        self._socket.connect(address)
        self.inbox: deque[list[bytes]] = deque()
        self.up = False
        self.lost = False
        self.refused: QmdError | None = None  # why it is of no use to try again
        self._has_keys = keys is not None

    def filenos(self) -> tuple[int, int]:
        """Become readable when there may be something to `pump`; edge-triggered: pump also after a `send`."""
        return int(self._socket.getsockopt(zmq.FD)), int(self._monitor.getsockopt(zmq.FD))

    def pump(self) -> None:
        """Take in what has happened: messages into `inbox`, and whether the connection is `up` or `lost`."""
        while not self.lost and self._monitor.poll(0):
            event = transport.event_of(self._monitor.recv_multipart())
            self.up = event == zmq.EVENT_HANDSHAKE_SUCCEEDED
            self.lost = not self.up
            if self._has_keys and event in _REFUSALS:
                self.refused = QmdError("unauthorized", *_REFUSALS[event])
        # Behind the events, so that all that came before the loss is here.
        while self._socket.poll(0):
            self.inbox.append(self._socket.recv_multipart())

    def wait(self, timeout_s: float) -> bool:
        """Wait until there is something to pump; false when there was nothing in time."""
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        return bool(poller.poll(max(0, int(timeout_s * 1000))))

    def send(self, body: bytes) -> None:
        """Only while `up`. Raises DaemonUnreachable when the daemon has left a thousand messages unread."""
        try:
            self._socket.send(body, zmq.NOBLOCK)
        except zmq.Again:
            raise DaemonUnreachable("The daemon does not read what it is sent.") from None

    def close(self) -> None:
        """What was sent on a living connection still leaves; what was queued for a dead one does not."""
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(0 if self.lost or not self.up else None)
