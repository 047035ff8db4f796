"""What the daemon and its model worker say to each other, over a pair of connected sockets.

A frame is four bytes, the little-endian length, and a MessagePack object with the tag `op`. Either side
sees the other's death as the end of the stream.
"""

from __future__ import annotations

import socket
from asyncio import IncompleteReadError, StreamReader
from collections.abc import Iterator
from typing import TypeAlias

import msgspec
from msgspec import Struct

from qmd_daemon.engine.model import Kind, Priority

_LENGTH_BYTES = 4


class Message(Struct, frozen=True, tag_field="op", array_like=True):
    """Any of the below."""


# -- daemon to worker -------------------------------------------------------------------------


class Load(Message, frozen=True, tag="load"):
    """The first message: which model to load, and where. `threads` 0: one replica for each core."""

    engine: str
    model: str
    models: str
    device: str
    threads: int


class Embed(Message, frozen=True, tag="embed"):
    """`deadline` is on the clock of time.monotonic, which the processes of a machine share."""

    id: int
    texts: list[str]
    kind: Kind
    priority: Priority
    deadline: float | None = None


class Drop(Message, frozen=True, tag="drop"):
    """Nobody waits for that Embed any more. It is not answered."""

    id: int


class Ping(Message, frozen=True, tag="ping"):
    """Answered at once, whatever is being computed or loaded."""


# -- worker to daemon -------------------------------------------------------------------------


class Loading(Message, frozen=True, tag="loading"):
    """What the worker is busy with before it is ready, in words."""

    reason: str


class Ready(Message, frozen=True, tag="ready"):
    device: str
    compute_type: str
    reason: str


class Refused(Message, frozen=True, tag="refused"):
    """The model cannot be loaded. The last message: the worker ends."""

    code: str
    message: str
    hint: str


class Begun(Message, frozen=True, tag="begun"):
    """Computing begins on texts of these. Should the worker die now, they may be why."""

    ids: list[int]


class Embedded(Message, frozen=True, tag="embedded"):
    """Row-major little-endian float32, a row for each text."""

    id: int
    vectors: bytes


class Failed(Message, frozen=True, tag="failed"):
    id: int
    code: str
    message: str
    hint: str


class Pong(Message, frozen=True, tag="pong"):
    """`busy_s`: for how long the oldest running batch has been computing."""

    busy_s: float


ToWorker: TypeAlias = Load | Embed | Drop | Ping
FromWorker: TypeAlias = Loading | Ready | Refused | Begun | Embedded | Failed | Pong

_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


def pack(message: ToWorker | FromWorker) -> bytes:
    """Encode a frame. Raises UnicodeEncodeError when a text holds half of a surrogate pair."""
    frame = bytearray(_LENGTH_BYTES)
    msgspec.msgpack.Encoder().encode_into(message, frame, _LENGTH_BYTES)
    frame[:_LENGTH_BYTES] = (len(frame) - _LENGTH_BYTES).to_bytes(_LENGTH_BYTES, "little")
    return bytes(frame)


def read(sock: socket.socket) -> Iterator[ToWorker]:
    """Yield the daemon's messages, blocking, until it is gone."""
    with sock.makefile("rb") as stream:
        while len(head := stream.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
            size = int.from_bytes(head, "little")
            if len(body := stream.read(size)) < size:
                return
            yield _to_worker.decode(body)


async def receive(reader: StreamReader) -> FromWorker | None:
    """Return the worker's next message, or None when it is gone. Not to be cancelled: that would lose its place."""
    try:
        size = int.from_bytes(await reader.readexactly(_LENGTH_BYTES), "little")
        return _from_worker.decode(await reader.readexactly(size))
    except (IncompleteReadError, ConnectionError):
        return None
