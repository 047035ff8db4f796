"""Which texts are computed together, and when. Thread-safe; knows nothing of models, processes or sockets.

Order: by priority, then by arrival. Within a window of texts of one priority, in the order of length, so
that texts of a batch are about as long as each other, since a batch costs its longest text for each of them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ipc.errors import QmdError
from qmd_daemon.engine.model import Priority, Tokens, Vectors

# How a request ends: with the vectors of all its texts, or with an error. Called once, from any thread.
Finish: TypeAlias = Callable[[Vectors | QmdError], None]


class Ticket:
    """One request for `count` texts, and the place where their vectors gather.

    Every ticket that is not cancelled is finished exactly once. `number` and `begun` are for whoever computes:
    what it is called, and whether some of its texts have been in a batch.
    """

    def __init__(
        self, number: int, count: int, finish: Finish, priority: Priority, deadline: float | None = None
    ) -> None:
        self.number = number
        self.priority = priority
        self.deadline = deadline
        self.begun = False
        self._finish = finish
        self._lock = threading.Lock()
        self._over = False
        self._missing = count
        self._rows: list[NDArray[np.float32] | None] = [None] * count

    @property
    def over(self) -> bool:
        """Whether nobody waits any more: it is finished, or was cancelled."""
        return self._over

    def fill(self, position: int, vector: NDArray[np.float32]) -> None:
        """Put the vector of one text in its place. The last one finishes the ticket."""
        with self._lock:
            if self._rows[position] is None:
                self._missing -= 1
            self._rows[position] = vector
            last = not self._missing and self._end()
        if last:
            self._finish(np.stack([row for row in self._rows if row is not None]))

    def fail(self, error: QmdError) -> None:
        with self._lock:
            first = self._end()
        if first:
            self._finish(error)

    def cancel(self) -> None:
        """Nobody waits any more: its texts leave the queue, and it is not finished."""
        with self._lock:
            self._end()

    def _end(self) -> bool:
        was, self._over = self._over, True
        return not was


class Text(NamedTuple):
    """One text of a ticket."""

    ticket: Ticket
    position: int
    tokens: Tokens


class Batcher:
    """Holds texts until they are computed.

    A batch costs its number of texts times its longest one: at most `budget` tokens, unless a single text
    is longer. `window` is how many texts are looked at to sort them by length.
    """

    def __init__(self, budget: int, window: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget = budget
        self._window = window
        self._clock = clock
        self._changed = threading.Condition()
        self._arrived: dict[Priority, deque[Text]] = {priority: deque() for priority in Priority}
        self._planned: dict[Priority, deque[list[Text]]] = {priority: deque() for priority in Priority}
        self._closed = False

    def put(self, ticket: Ticket, tokens: Sequence[Tokens]) -> None:
        """Queue a ticket's texts, cut into tokens. After `close` the ticket fails at once."""
        with self._changed:
            if not self._closed:
                arrived = self._arrived[ticket.priority]
                arrived.extend(Text(ticket, position, cut) for position, cut in enumerate(tokens))
                self._changed.notify_all()
                return
        ticket.fail(_stopped())

    def take(self) -> list[Text] | None:
        """Wait for the next batch; None after `close`. Tickets past their deadline are failed, not computed."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._next() is not None)
                priority = self._next()
                if self._closed or priority is None:
                    return None
                batch, late = self._sift(self._pop(priority))
            for ticket in late:
                ticket.fail(QmdError("deadline", "The deadline passed before the texts were embedded."))
            if batch:
                return batch

    def close(self) -> None:
        """Let every `take` return, and fail what is still queued."""
        with self._changed:
            self._closed = True
            queues = (*self._arrived.values(), *(chain(*batches) for batches in self._planned.values()))
            left = {text.ticket for queue in queues for text in queue}
            self._changed.notify_all()
        for ticket in left:
            ticket.fail(_stopped())

    def _next(self) -> Priority | None:
        return next((p for p in Priority if self._planned[p] or self._arrived[p]), None)

    def _pop(self, priority: Priority) -> list[Text]:
        planned, arrived = self._planned[priority], self._arrived[priority]
        if not planned:
            # The whole window is cut at once, so that no text waits for ever behind better fitting ones.
            window = [arrived.popleft() for _ in range(min(self._window, len(arrived)))]
            planned.extend(cut([text for text in window if not text.ticket.over], self._budget))
        return planned.popleft() if planned else []

    def _sift(self, batch: list[Text]) -> tuple[list[Text], set[Ticket]]:
        """Leave out the texts that nobody waits for; name the tickets that are too late."""
        now = self._clock()
        alive = [text for text in batch if not text.ticket.over]
        late = {text.ticket for text in alive if text.ticket.deadline is not None and text.ticket.deadline <= now}
        return [text for text in alive if text.ticket not in late], late


def cut(texts: Sequence[Text], budget: int) -> list[list[Text]]:
    """Cut texts into batches of at most `budget` padded tokens each (a longer text is alone), shortest first."""
    batches: list[list[Text]] = []
    for text in sorted(texts, key=lambda text: len(text.tokens)):
        # The newest is the longest: it decides what each of the others costs.
        if batches and (len(batches[-1]) + 1) * len(text.tokens) <= budget:
            batches[-1].append(text)
        else:
            batches.append([text])
    return batches


def _stopped() -> QmdError:
    return QmdError("unavailable", "The model is being stopped.")
