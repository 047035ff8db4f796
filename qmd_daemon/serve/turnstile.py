"""One request at a time: however many arrive at once, the event loop comes round to everything else in between.

A thousand requests in one round of the loop would keep `/health`, ZeroMQ and the model's answers waiting for all of
them. Whoever has to wait here waits in the order of arrival.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Turnstile:
    """Lets one through in each round of the event loop."""

    def __init__(self) -> None:
        self._open = True  # in this round
        self._waiting: deque[Callable[[], bool]] = deque()

    @property
    def waiting(self) -> int:
        """How many; some may have left without a word."""
        return len(self._waiting)

    def enter(self, go: Callable[[], bool]) -> bool:
        """Whether it may go at once. If not, `go` is called when its turn has come; it returns False if it has left."""
        if not self._open:
            self._waiting.append(go)
            return False
        self._open = False
        asyncio.get_running_loop().call_soon(self._turn)
        return True

    def _turn(self) -> None:
        """A round has begun."""
        self._open = not self._waiting
        if self._waiting:  # before anything else, so that whatever becomes of this one, the next has its turn
            asyncio.get_running_loop().call_soon(self._turn)
        while self._waiting and not self._waiting.popleft()():
            pass
