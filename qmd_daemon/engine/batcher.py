"""Which pieces are computed together, and when. Thread-safe; knows nothing of models, processes or sockets.

Order: by priority, then by arrival. Within a window of pieces of one priority, in the order of length, so
that those of a batch are about as long as each other, since a batch costs its longest one for each of them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain
from typing import NamedTuple

from ipc.errors import QmdError
from qmd_daemon.engine.frames import Work
from qmd_daemon.engine.model import Priority
from qmd_daemon.engine.role import Model, Piece, Row


class Ticket:
    """One request, and the place where the rows of its pieces gather.

    Every ticket ends exactly once: `finish` is called, from any thread, with the rows of all its pieces, with an
    error, or with None when nobody waits any more. `pieces` and `model` are there when the rows are; `begun` says
    whether some of its pieces have been in a batch.
    """

    def __init__(self, request: Work, finish: Callable[[Ticket, list[Row] | QmdError | None], None]) -> None:
        self.request = request
        self.pieces: Sequence[Piece] = ()
        self.model: Model | None = None
        self.begun = False
        self._finish = finish
        self._lock = threading.Lock()
        self._over = False
        self._missing = 0
        self._rows: list[Row] = []

    @property
    def over(self) -> bool:
        """Whether nobody waits any more: it is finished, or was cancelled."""
        return self._over

    def late(self, now: float) -> bool:
        return self.request.deadline is not None and self.request.deadline <= now

    def expect(self, pieces: Sequence[Piece]) -> None:
        """The rows of these, at least one, make it whole."""
        self.pieces = pieces
        self._missing, self._rows = len(pieces), [_NOTHING] * len(pieces)

    def fill(self, position: int, row: Row) -> None:
        """Put the row of one piece in its place. The last one finishes the ticket."""
        with self._lock:
            if self._rows[position] is _NOTHING:
                self._missing -= 1
            self._rows[position] = row
            last = not self._missing and self._end()
        if last:
            self._finish(self, self._rows)

    def fail(self, error: QmdError) -> None:
        with self._lock:
            first = self._end()
        if first:
            self._finish(self, error)

    def cancel(self) -> None:
        """Nobody waits any more: its pieces leave the queue."""
        with self._lock:
            first = self._end()
        if first:
            self._finish(self, None)

    def _end(self) -> bool:
        was, self._over = self._over, True
        return not was


_NOTHING = object()


class Item(NamedTuple):
    """One piece of a ticket, the `position`-th."""

    ticket: Ticket
    position: int
    piece: Piece

    @property
    def length(self) -> int:
        return len(self.piece.tokens)


class Batcher:
    """Holds pieces until they are computed.

    A batch costs its number of pieces times its longest one: at most `budget` tokens, unless a single one
    is longer. `window` is how many pieces are looked at to sort them by length.
    """

    def __init__(self, budget: int, window: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget = budget
        self._window = window
        self._clock = clock
        self._changed = threading.Condition()
        self._arrived: dict[Priority, deque[Item]] = {priority: deque() for priority in Priority}
        self._planned: dict[Priority, deque[list[Item]]] = {priority: deque() for priority in Priority}
        self._closed = False

    def put(self, ticket: Ticket, pieces: Sequence[Piece]) -> bool:
        """Queue a ticket's pieces, at least one. False after `close`."""
        with self._changed:
            if self._closed:
                return False
            ticket.expect(pieces)
            arrived = self._arrived[ticket.request.priority]
            arrived.extend(Item(ticket, position, piece) for position, piece in enumerate(pieces))
            self._changed.notify_all()
        return True

    def take(self) -> list[Item] | None:
        """Wait for the next batch; None after `close`. Tickets past their deadline are failed, not computed."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._next() is not None)
                priority = self._next()
                if self._closed or priority is None:
                    return None
                batch, late = self._sift(self._pop(priority))
            for ticket in late:
                ticket.fail(QmdError("deadline", "The deadline passed before it was computed."))
            if batch:
                return batch

    def close(self) -> list[Ticket]:
        """Let every `take` return. Returns the tickets with pieces that were not taken."""
        with self._changed:
            self._closed = True
            planned = chain.from_iterable(chain.from_iterable(self._planned.values()))
            left = dict.fromkeys(item.ticket for item in chain(planned, *self._arrived.values()))
            self._changed.notify_all()
        return [ticket for ticket in left if not ticket.over]

    def _next(self) -> Priority | None:
        return next((p for p in Priority if self._planned[p] or self._arrived[p]), None)

    def _pop(self, priority: Priority) -> list[Item]:
        planned, arrived = self._planned[priority], self._arrived[priority]
        if not planned:
            # The whole window is cut at once, so that none waits for ever behind better fitting ones.
            window = [arrived.popleft() for _ in range(min(self._window, len(arrived)))]
            planned.extend(cut([item for item in window if not item.ticket.over], self._budget))
        return planned.popleft() if planned else []

    def _sift(self, batch: list[Item]) -> tuple[list[Item], set[Ticket]]:
        """Leave out the pieces that nobody waits for; name the tickets that are too late."""
        now = self._clock()
        alive = [item for item in batch if not item.ticket.over]
        late = {item.ticket for item in alive if item.ticket.late(now)}
        return [item for item in alive if item.ticket not in late], late


def cut(items: Sequence[Item], budget: int) -> list[list[Item]]:
    """Cut items into batches of at most `budget` padded tokens each (a longer one is alone), shortest first."""
    batches: list[list[Item]] = []
    for item in sorted(items, key=lambda item: item.length):
        # The newest is the longest: it decides what each of the others costs.
        if batches and (len(batches[-1]) + 1) * item.length <= budget:
            batches[-1].append(item)
        else:
            batches.append([item])
    return batches
