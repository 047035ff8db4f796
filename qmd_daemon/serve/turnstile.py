"""One request at a time: however many arrive at once, the event loop comes round to everything else in between.

A thousand requests in one round of the loop would keep `/health`, ZeroMQ and the model's answers waiting for all of
them. Those that are under way make its rounds longer, too, so that nobody passes after a long one: what has begun
goes on first. Whoever has to wait here waits in the order of arrival.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

# Of the processor: what other programs take of it is no reason to do less.
LONG_S = 0.005
# After so many long rounds in a row somebody passes all the same.
_LONG_ONES = 8


class Turnstile:
    """Lets one through in each round of the event loop that was not long."""

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock
        self._began_at = 0.0
        self._long = 0  # rounds in a row
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
        self._began_at = self._clock()
        asyncio.get_running_loop().call_soon(self._turn)
        return True

    def _turn(self) -> None:
        """A round has begun."""
        self._open = not self._waiting
        if self._waiting:  # before anything else, so that whatever becomes of this one, the next has its turn
            asyncio.get_running_loop().call_soon(self._turn)
        before, self._began_at = self._began_at, self._clock()
        self._long = self._long + 1 if self._began_at - before > LONG_S else 0
        if 0 < self._long < _LONG_ONES:
            return
        self._long = 0
        while self._waiting and not self._waiting.popleft()():
            pass
