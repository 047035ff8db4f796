"""The sockets: their options, where they listen, and how a message lies in frames."""

from __future__ import annotations

import os
import socket as sockets
import sys
from typing import Any, NamedTuple

import zmq

from ipc.errors import QmdError
from ipc.protocol import MAX_MESSAGE_BYTES

# Up to here an oversized message gets an error reply; libzmq drops the connection of whoever sends more.
HARD_MAX_BYTES = 4 * MAX_MESSAGE_BYTES
# Long enough for a last `cancel` to leave, short enough that nobody waits for it.
LINGER_MS = 100
_SCHEME = "ipc://"
# As many clients may knock at once before one is refused.
_BACKLOG = 512


class Peer(NamedTuple):
    """The sender of a request. A REQ socket puts an empty frame before the message and wants one back."""

    identity: bytes
    delimited: bool

    @property
    def is_anonymous(self) -> bool:
        """Whether libzmq has named it, rather than it itself."""
        return self.identity[:1] == b"\0"

    def frames(self, *parts: bytes | memoryview) -> list[bytes | memoryview]:
        """A reply to this peer, as a ROUTER sends it."""
        return [self.identity, b"", *parts] if self.delimited else [self.identity, *parts]


def read_frames(frames: list[bytes]) -> tuple[Peer, list[bytes]]:
    """Split what a ROUTER received into its sender and the frames of the message."""
    identity, *rest = frames
    delimited = len(rest) > 1 and rest[0] == b""
    return Peer(identity, delimited), rest[1:] if delimited else rest


def check_frames(parts: list[bytes]) -> bytes:
    """Return a request's one frame. Raises QmdError: malformed (not one frame) or too_large."""
    if len(parts) != 1:
        raise QmdError("malformed", f"A request is one frame, not {len(parts)}.")
    if len(parts[0]) > MAX_MESSAGE_BYTES:
        raise too_large(len(parts[0]))
    return parts[0]


def too_large(size_bytes: int) -> QmdError:
    return QmdError(
        "too_large",
        f"The request has {size_bytes:,} bytes, over the limit of {MAX_MESSAGE_BYTES:,}.",
        "Send it in parts.",
    )


def prepare(socket: zmq.Socket[Any]) -> None:
    """The options of every socket of ours."""
    socket.setsockopt(zmq.LINGER, LINGER_MS)
    socket.setsockopt(zmq.MAXMSGSIZE, HARD_MAX_BYTES)


def connect(context: zmq.Context[Any], kind: int, address: str) -> Any:
    """A socket of this kind that connects, now or as soon as somebody listens there."""
    socket = context.socket(kind)
    prepare(socket)
    socket.connect(address)
    return socket


class Listener:
    """An address that this process listens on, for a ROUTER or a PUB.

    libzmq's own `bind` takes over the path of a living daemon, and unlinks whatever lies there when it
    closes. So the Unix socket is made here and handed over, and its file removed only while it is ours.
    """

    def __init__(self, socket: Any, address: str) -> None:
        """Listen on an `ipc://` address. Its old file must be gone already (`unlink_stale`).

        Raises QmdError("unavailable") when that cannot be done.
        """
        self._path = path_of(address)
        try:
            self._listen(socket, address)
        except OSError as error:
            raise QmdError("unavailable", f"Cannot listen on {self._path}: {error}.", "Set QMD_HOME.") from None

    def _listen(self, socket: Any, address: str) -> None:
        with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as raw:
            raw.bind(self._path)
            os.chmod(self._path, 0o600)
            raw.listen(_BACKLOG)
            raw.setblocking(False)
            self._inode = os.stat(self._path).st_ino
            prepare(socket)
            socket.setsockopt(zmq.USE_FD, raw.fileno())
            socket.bind(address)
            raw.detach()  # libzmq's from here on: it closes it with the socket

    def remove(self) -> None:
        """Remove the socket's file, unless somebody else has put one there."""
        try:
            if os.stat(self._path).st_ino == self._inode:
                os.unlink(self._path)
        except FileNotFoundError:
            pass


def unlink_stale(address: str) -> None:
    """Remove what a killed daemon left behind. Only for the holder of the daemon's lock.

    Raises QmdError: `conflict` when somebody listens there, a daemon of other data with the same runtime directory;
    `unavailable` when it cannot be removed.
    """
    if is_listening(address):
        raise QmdError(
            "conflict", f"Another daemon listens on {path_of(address)}.", "Give this installation its own QMD_HOME."
        )
    try:
        os.unlink(path_of(address))
    except FileNotFoundError:
        pass
    except OSError as error:  # such as a directory
        raise QmdError("unavailable", f"Cannot remove {path_of(address)}: {error.strerror}.", "Set QMD_HOME.") from None


def is_listening(address: str) -> bool:
    """False when nobody of ours can be there. True promises nothing: only an answered ping does."""
    path = path_of(address)
    try:
        if os.lstat(path).st_uid != os.getuid():
            return False  # somebody else's: it is not to hear what we search for
    except OSError:
        return False
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:  # such as a full backlog: somebody is there, and busy
            return True
    return True


def path_of(address: str) -> str:
    if not address.startswith(_SCHEME):
        raise QmdError("invalid", f"{address!r} is not an ipc:// address.")
    return address.removeprefix(_SCHEME)


def event_of(message: list[bytes]) -> int:
    """What a message of a socket's monitor reports (16 bits first, native order)."""
    return int.from_bytes(message[0][:2], sys.byteorder)
