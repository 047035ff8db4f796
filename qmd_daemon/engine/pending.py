"""The requests that somebody in the daemon waits for, until the worker has answered them. Knows no processes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Any

from ipc.errors import QmdError
from qmd_daemon.engine import frames
from qmd_daemon.engine.model import Place

# A part that was being computed when a worker died is tried once more; then it may well be the reason.
ATTEMPTS = 2


class Part:
    """One request to the worker, which may be a part of somebody's call, and the future of its result."""

    def __init__(self, request: frames.Request) -> None:
        self.request = request
        self.role = frames.role_of(request)
        self.weight = frames.weight(request)
        self.result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.sent = False
        self.begun = False
        self.deaths = 0  # workers that died while they computed it


class Pending:
    """All the parts that are waited for, in the order of their arrival. Each ends with a result or an error."""

    def __init__(self) -> None:
        self._parts: dict[int, Part] = {}
        self._ids = count(1)
        self.weight = 0  # how many texts are waited for

    def __bool__(self) -> bool:
        return bool(self._parts)

    def next_id(self) -> int:
        return next(self._ids)

    def add(self, requests: Sequence[frames.Request]) -> list[Part]:
        """Whoever adds them must `release` each of them in the end."""
        parts = [Part(request) for request in requests]
        for part in parts:
            self._parts[part.request.id] = part
            self.weight += part.weight
        return parts

    def release(self, part: Part) -> bool:
        """Nobody waits for this part any more. Returns whether a worker should be told."""
        waiting = self._pop(part.request.id) is not None
        if not part.result.cancel() and not part.result.cancelled():
            part.result.exception()  # looked at, so that asyncio does not complain that nobody did
        return waiting and part.sent

    def unsent(self) -> list[Part]:
        return [part for part in self._parts.values() if not part.sent]

    def begun(self, ids: Sequence[int]) -> None:
        for number in ids:
            if part := self._parts.get(number):
                part.begun = True

    def answered(self, number: int, result: object) -> None:
        if part := self._answered(number):
            part.result.set_result(result)

    def failed(self, number: int, error: QmdError) -> None:
        if part := self._answered(number):
            part.result.set_exception(error)

    def _answered(self, number: int) -> Part | None:
        part = self._pop(number)
        # Cancelled, while whoever waited has not run yet to release it: the answer is for nobody.
        return None if part is None or part.result.done() else part

    def _pop(self, number: int) -> Part | None:
        part = self._parts.pop(number, None)
        self.weight -= part.weight if part else 0
        return part

    def lost(self, how: str) -> list[Part]:
        """The worker died: everything is unsent again, and what it died of twice fails.

        Returns what it was computing, which could be the reason.
        """
        suspects = [part for part in self._parts.values() if part.begun]
        for part in self._parts.values():
            part.sent = part.begun = False
        for part in suspects:
            part.deaths += 1
            if part.deaths >= ATTEMPTS:
                message = f"The model worker died twice over this request: it {how}."
                self.failed(part.request.id, QmdError("unavailable", message, "The daemon's log says more."))
        return suspects

    def fail(self, error: QmdError, role: Place | None = None, *, sent: bool | None = None) -> None:
        """Everything fails, or everything of a role, or of that what has been sent."""
        for number, part in list(self._parts.items()):
            if role in {None, part.role} and sent in {None, part.sent}:
                self.failed(number, error)
