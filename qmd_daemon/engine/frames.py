"""What the daemon and its model worker say to each other, over a pair of connected sockets.

A frame is four bytes, the little-endian length, and a MessagePack object with the tag `op`. Either side
sees the other's death as the end of the stream. Times (`deadline`, `until`, `since`) are on the clock of
time.monotonic, which the processes of a machine share; `keep_alive_s` is how long a model stays after its last
use, below 0 for ever, None as configured. `request` is the name that the daemon's log has for who asked.
"""

from __future__ import annotations

import socket
from asyncio import IncompleteReadError, StreamReader
from collections.abc import Iterator
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from qmd_daemon.engine.model import Kind, Line, LineKind, Place, Priority, Role, Score
from qmd_daemon.weights.entry import Entry

_LENGTH_BYTES = 4


class Message(Struct, frozen=True, tag_field="op", array_like=True):
    """Any of the below."""


# -- daemon to worker -------------------------------------------------------------------------


class Start(Message, frozen=True, tag="start"):
    """The first message: what may be loaded, and where. Nothing is loaded yet.

    `models` is the directory of converted models, `chosen` the one for each place. `threads` 0: one for each
    core. The ceilings are of the whole process, in bytes; 0: none.
    """

    engine: str
    models: str
    chosen: dict[Place, Entry]
    device: str
    threads: int
    keep_alive_s: dict[Place, float]
    max_vram_bytes: int
    max_ram_bytes: int


class Embed(Message, frozen=True, tag="embed"):
    id: int
    priority: Priority
    texts: list[str]
    kind: Kind
    deadline: float | None = None
    keep_alive_s: float | None = None
    place: Literal["embedding", "former"] = "embedding"
    request: str = ""


class Rerank(Message, frozen=True, tag="rerank"):
    id: int
    priority: Priority
    query: str
    documents: list[str]
    deadline: float | None = None
    keep_alive_s: float | None = None
    request: str = ""


class Expand(Message, frozen=True, tag="expand"):
    """One line for each of `kinds`, at most: those that say nothing new are left out."""

    id: int
    priority: Priority
    query: str
    kinds: list[LineKind]
    deadline: float | None = None
    keep_alive_s: float | None = None
    request: str = ""


class Load(Message, frozen=True, tag="load"):
    """Load a role's model before it is needed. Answered with Done when it is there."""

    id: int
    role: Role
    keep_alive_s: float | None = None


class Unload(Message, frozen=True, tag="unload"):
    """Take a model out of memory, when what it is computing is done. Answered with Done."""

    id: int
    role: Place


class Adopt(Message, frozen=True, tag="adopt"):
    """The embedder that was used before, if the worker has not been told of one. It is not answered."""

    entry: Entry


class Drop(Message, frozen=True, tag="drop"):
    """Nobody waits for that request any more. It is not answered."""

    id: int


class Ping(Message, frozen=True, tag="ping"):
    """Answered at once, whatever is being computed or loaded."""


# -- worker to daemon -------------------------------------------------------------------------


class Ready(Message, frozen=True, tag="ready"):
    """The worker takes requests."""


class Resident(Message, frozen=True, tag="resident"):
    """A model that is in memory, or on its way there. `reason`: what is being waited for, or why it is not on
    the device that was wanted. `why` explains the compute type.

    `copies` counts the model's objects, each with its weights. `until` inf: for ever.
    """

    role: Place
    name: str
    state: Literal["loading", "ready"]
    device: str = ""
    compute_type: str = ""
    why: str = ""
    reason: str = ""
    size_bytes: int = 0
    copies: int = 0
    until: float = 0.0
    fallback: bool = False  # it is not on the device that was wanted
    since: float = 0.0  # when it was loaded


class Models(Message, frozen=True, tag="models"):
    """All models in memory, whenever that changes. `used_bytes`: what the process takes on its device."""

    residents: list[Resident]
    used_bytes: int = 0


class NotLoaded(Message, frozen=True, tag="not_loaded"):
    """A role's model cannot be loaded. So every request for it has failed, and is not answered."""

    role: Place
    code: str
    message: str
    hint: str


class Begun(Message, frozen=True, tag="begun"):
    """Computing begins on these. Should the worker die now, they may be why."""

    ids: list[int]


class Embedded(Message, frozen=True, tag="embedded"):
    """Row-major little-endian float32, a row for each text."""

    id: int
    vectors: bytes


class Scored(Message, frozen=True, tag="scored"):
    id: int
    scores: list[Score]


class Expanded(Message, frozen=True, tag="expanded"):
    id: int
    lines: list[Line]


class Done(Message, frozen=True, tag="done"):
    id: int


class Failed(Message, frozen=True, tag="failed"):
    id: int
    code: str
    message: str
    hint: str


class Pong(Message, frozen=True, tag="pong"):
    """For how long the oldest running batch has been computing, and a model has been on its way into memory.

    And what was computed since the Pong before: batches, the pieces of texts in them, and their tokens.
    """

    busy_s: float
    loading_s: float = 0.0
    batches: int = 0
    pieces: int = 0
    tokens: int = 0


Work: TypeAlias = Embed | Rerank | Expand
Request: TypeAlias = Work | Load | Unload
Answer: TypeAlias = Embedded | Scored | Expanded | Done | Failed
ToWorker: TypeAlias = Start | Request | Adopt | Drop | Ping
FromWorker: TypeAlias = Ready | Models | NotLoaded | Begun | Answer | Pong

_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


def role_of(request: Request) -> Place:
    match request:
        case Embed():
            return request.place
        case Rerank():
            return "reranker"
        case Expand():
            return "expansion"
    return request.role


def request_of(request: Request) -> str:
    """What the daemon's log calls the request that this is a part of, if anything."""
    return request.request if isinstance(request, Embed | Rerank | Expand) else ""


def weight(request: Request) -> int:
    """How many texts it is about: what the queue is bounded by."""
    match request:
        case Embed():
            return len(request.texts)
        case Rerank():
            return len(request.documents)
    return 1


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
