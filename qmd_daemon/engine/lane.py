"""Threads that work off the requests of one queue: one cuts them into pieces, the others compute batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
from queue import PriorityQueue
from typing import Protocol

import numpy as np

from ipc.errors import QmdError
from qmd_daemon.engine.batcher import Batcher, Item, Ticket
from qmd_daemon.engine.complaints import complain
from qmd_daemon.engine.memory import out_of_memory
from qmd_daemon.engine.role import Model, Rows

_LAST = 99  # after every priority: the tokeniser's thread ends when it has done what was asked before


class Host(Protocol):
    """What a lane tells and asks of whoever made it; all of it from the lane's threads."""

    def begin(self, tickets: Sequence[Ticket]) -> None:
        """A batch with pieces of these is about to be computed."""
        ...

    def computed(self, pieces: int, tokens: int) -> None:
        """A batch of so many pieces, which have so many tokens together, is done."""
        ...

    def relieve(self) -> None:
        """Computing has run out of memory: free what can be freed, before it is tried once more."""
        ...


class Lane:
    """One queue, one model, some threads. They inherit the priority of the thread that makes the lane."""

    def __init__(self, model: Model, batcher: Batcher, threads: int, host: Host) -> None:
        self._model = model
        self._batcher = batcher
        self._host = host
        self._order = count()
        self._inbox: PriorityQueue[tuple[int, int, Ticket | None]] = PriorityQueue()
        self._since: dict[int, float] = {}  # thread -> when its batch began
        self._closing = False
        self._left: list[Ticket] = []
        targets = (self._encode, *[self._compute] * threads)
        self._threads = [threading.Thread(target=target, daemon=True) for target in targets]
        for thread in self._threads:
            thread.start()

    def submit(self, ticket: Ticket) -> None:
        self._inbox.put((ticket.request.priority, next(self._order), ticket))

    def busy_s(self) -> float:
        """For how long the oldest running batch has been computing."""
        return max((time.monotonic() - began for began in self._since.copy().values()), default=0.0)

    def close(self) -> list[Ticket]:
        """Finish the running batches and end the threads. Returns the tickets that are not done, for another lane."""
        self._closing = True
        self._inbox.put((_LAST, next(self._order), None))
        left = self._batcher.close()
        for thread in self._threads:
            thread.join()
        return [ticket for ticket in dict.fromkeys([*left, *self._left]) if not ticket.over]

    def _encode(self) -> None:
        while (ticket := self._inbox.get()[2]) is not None:
            if ticket.over:
                continue
            if self._closing:
                self._left.append(ticket)
                continue
            ticket.model = self._model
            try:
                pieces = self._model.encode(ticket.request)
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
                complain([ticket.request.request])
                ticket.fail(_fault(error))
            else:
                if not self._batcher.put(ticket, pieces):
                    self._left.append(ticket)

    def _compute(self) -> None:
        thread = threading.get_ident()
        while (batch := self._batcher.take()) is not None:
            self._host.begin(list(dict.fromkeys(item.ticket for item in batch)))
            self._since[thread] = time.monotonic()
            compute(self._model, batch, self._host.relieve)
            self._since.pop(thread, None)
            self._host.computed(len(batch), sum(item.length for item in batch))


def compute(model: Model, batch: Sequence[Item], relieve: Callable[[], None], tries: int = 2) -> None:
    """Compute a batch and fill its tickets.

    A batch that fails is halved: one bad piece takes no others with it. One that does not fit into memory is
    halved once, after `relieve`; what does not fit then, fails.
    """

    def alive() -> bool:
        now = time.monotonic()
        return not all(item.ticket.over or item.ticket.late(now) for item in batch)

    try:
        rows = model.compute([item.piece for item in batch], alive)
    except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
        full = out_of_memory(error)
        if full:
            relieve()
        if (full and tries > 1) or (not full and len(batch) > 1):
            middle = (len(batch) + 1) // 2
            for half in (batch[:middle], batch[middle:]):
                if half:
                    compute(model, half, relieve, tries - full)
        else:
            complain(item.ticket.request.request for item in batch)
            for item in batch:
                item.ticket.fail(_fault(error))
        return
    for item, row, good in zip(batch, rows, _finite(rows), strict=True):
        if good:
            item.ticket.fill(item.position, row)
        else:
            item.ticket.fail(QmdError("unavailable", "The model gave no finite number for a text."))


def _finite(rows: Rows) -> Sequence[bool]:
    """Which rows hold numbers, if they hold any."""
    if isinstance(rows, np.ndarray):
        finite: list[bool] = np.isfinite(rows.reshape(len(rows), -1).sum(axis=1)).tolist()
        return finite
    return [True] * len(rows)


def _fault(error: Exception) -> QmdError:
    return QmdError("unavailable", f"The model failed on a text: {error}.", "The log says more.")
