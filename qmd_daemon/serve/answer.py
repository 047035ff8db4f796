"""What a request is answered with, and who answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from ipc.protocol import AnyRequest, Reply


class Answer(NamedTuple):
    """The last reply to a request, and the frame of vectors that may follow it."""

    reply: Reply
    binary: bytes = b""


# Takes the replies of a stream that come before the last. Raises QmdError when nobody is there to read them.
Emit = Callable[[Reply], Awaitable[None]]
Handle = Callable[[AnyRequest, Emit], Awaitable[Answer]]
