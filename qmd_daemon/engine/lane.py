"""Threads that turn the texts of one queue into vectors: one cuts texts into tokens, the others compute batches."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from itertools import count
from queue import PriorityQueue

import numpy as np

from ipc.errors import QmdError
from qmd_daemon.engine.batcher import Batcher, Text, Ticket
from qmd_daemon.engine.frames import Embed
from qmd_daemon.engine.model import Model

_LAST = 99  # after every priority: the tokeniser's thread ends when it has done what was asked before


class Lane:
    """One queue, one model, some threads. They inherit the priority of the thread that makes the lane.

    `begin` is told the tickets of every batch, just before it is computed.
    """

    def __init__(
        self, model: Model, batcher: Batcher, threads: int, begin: Callable[[Sequence[Ticket]], None] = lambda _: None
    ) -> None:
        self._model = model
        self._batcher = batcher
        self._begin = begin
        self._order = count()
        self._inbox: PriorityQueue[tuple[int, int, tuple[Embed, Ticket] | None]] = PriorityQueue()
        self._since: dict[int, float] = {}  # thread -> when its batch began
        targets = (self._tokenise, *[self._compute] * threads)
        self._threads = [threading.Thread(target=target, daemon=True) for target in targets]
        for thread in self._threads:
            thread.start()

    def submit(self, request: Embed, ticket: Ticket) -> None:
        self._inbox.put((request.priority, next(self._order), (request, ticket)))

    def busy_s(self) -> float:
        """For how long the oldest running batch has been computing."""
        return max((time.monotonic() - began for began in self._since.copy().values()), default=0.0)

    def close(self) -> None:
        """Finish the running batches, fail what is queued, and end the threads."""
        self._inbox.put((_LAST, next(self._order), None))
        self._batcher.close()
        for thread in self._threads:
            thread.join()

    def _tokenise(self) -> None:
        while (entry := self._inbox.get()[2]) is not None:
            request, ticket = entry
            if ticket.over:
                continue
            try:
                tokens = self._model.encode(request.texts, request.kind)
            except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
                traceback.print_exc()
                ticket.fail(_fault(error))
            else:
                self._batcher.put(ticket, tokens)

    def _compute(self) -> None:
        thread = threading.get_ident()
        while (batch := self._batcher.take()) is not None:
            self._begin(list(dict.fromkeys(text.ticket for text in batch)))
            self._since[thread] = time.monotonic()
            compute(self._model, batch)
            self._since.pop(thread, None)


def compute(model: Model, batch: Sequence[Text]) -> None:
    """Embed a batch and fill its tickets. A batch that fails is halved: one bad text takes no others with it."""
    try:
        vectors = model.embed([text.tokens for text in batch])
    except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
        if len(batch) > 1:
            middle = len(batch) // 2
            compute(model, batch[:middle])
            compute(model, batch[middle:])
        else:
            traceback.print_exc()
            batch[0].ticket.fail(_fault(error))
        return
    finite = np.isfinite(vectors.sum(axis=1))
    for text, vector, good in zip(batch, vectors, finite, strict=True):
        if good:
            text.ticket.fill(text.position, vector)
        else:
            text.ticket.fail(QmdError("unavailable", "The model gave no finite vector for a text."))


def _fault(error: Exception) -> QmdError:
    return QmdError("unavailable", f"The model failed on a text: {error}.", "The log says more.")
