"""The texts that somebody in the daemon waits for, until the worker has embedded them. Knows no processes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count

import numpy as np

from ipc.errors import QmdError
from qmd_daemon.engine import frames
from qmd_daemon.engine.model import Kind, Priority, Vectors

# What a message carries at most: small, so that a worker's death costs little that was done.
PART_TEXTS = 64
# A part that was being computed when a worker died is tried once more; then it may well be the reason.
ATTEMPTS = 2


class Part:
    """Up to PART_TEXTS texts of one call, and the future of their vectors."""

    def __init__(self, request: frames.Embed) -> None:
        self.request = request
        self.vectors: asyncio.Future[Vectors] = asyncio.get_running_loop().create_future()
        self.sent = False
        self.begun = False
        self.deaths = 0  # workers that died while they computed it


class Pending:
    """All the parts that are waited for, in the order of their arrival. Each ends with vectors or an error."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._parts: dict[int, Part] = {}
        self._ids = count(1)
        self.texts = 0  # how many are waited for

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(self, texts: Sequence[str], kind: Kind, priority: Priority, deadline: float | None) -> list[Part]:
        """Cut a call into parts. Whoever adds them must `release` each of them in the end."""
        parts = []
        for start in range(0, len(texts), PART_TEXTS):
            some = list(texts[start : start + PART_TEXTS])
            request = frames.Embed(next(self._ids), some, kind, priority, deadline)
            part = self._parts[request.id] = Part(request)
            parts.append(part)
        self.texts += len(texts)
        return parts

    def release(self, part: Part) -> bool:
        """Nobody waits for this part any more. Returns whether a worker should be told."""
        waiting = self._pop(part.request.id) is not None
        if not part.vectors.cancel() and not part.vectors.cancelled():
            part.vectors.exception()  # looked at, so that asyncio does not complain that nobody did
        return waiting and part.sent

    def unsent(self) -> list[Part]:
        return [part for part in self._parts.values() if not part.sent]

    def begun(self, ids: Sequence[int]) -> None:
        for number in ids:
            if part := self._parts.get(number):
                part.begun = True

    def embedded(self, number: int, vectors: bytes) -> None:
        if part := self._answered(number):
            part.vectors.set_result(np.frombuffer(vectors, "<f4").reshape(-1, self._dimension))

    def failed(self, number: int, error: QmdError) -> None:
        if part := self._answered(number):
            part.vectors.set_exception(error)

    def _answered(self, number: int) -> Part | None:
        part = self._pop(number)
        # Cancelled, while whoever waited has not run yet to release it: the answer is for nobody.
        return None if part is None or part.vectors.done() else part

    def _pop(self, number: int) -> Part | None:
        part = self._parts.pop(number, None)
        self.texts -= len(part.request.texts) if part else 0
        return part

    def lost(self, how: str) -> bool:
        """The worker died: everything is unsent again, and what it died of twice fails.

        Returns whether it was computing anything that could be the reason.
        """
        suspects = [part for part in self._parts.values() if part.begun]
        for part in self._parts.values():
            part.sent = part.begun = False
        for part in suspects:
            part.deaths += 1
            if part.deaths >= ATTEMPTS:
                message = f"The model worker died twice over these texts: it {how}."
                self.failed(part.request.id, QmdError("unavailable", message, "The daemon's log says more."))
        return bool(suspects)

    def fail(self, error: QmdError) -> None:
        """Everything fails."""
        for number in list(self._parts):
            self.failed(number, error)
