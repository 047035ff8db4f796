from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from ipc.errors import QmdError
from qmd_daemon.engine.batcher import Batcher, Text, Ticket
from qmd_daemon.engine.frames import Embed
from qmd_daemon.engine.lane import Lane, compute
from qmd_daemon.engine.model import Kind, Priority, Tokens, Vectors


class Letters:
    """A model whose tokens are characters, and whose vectors count them. Chokes on X, gives NaN for N."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)

    def encode(self, texts: Sequence[str], kind: Kind) -> list[Tokens]:
        if "?" in texts:
            raise ValueError("no tokens for ?")
        return [[ord(letter) for letter in text] for text in texts]

    def embed(self, batch: Sequence[Tokens]) -> Vectors:
        self.batches.append(len(batch))
        self.entered.release()
        self.gate.wait()
        if any(ord("X") in tokens for tokens in batch):
            raise RuntimeError("X")
        return np.array([[np.nan if ord("N") in tokens else len(tokens)] for tokens in batch], np.float32)


class Caller:
    def __init__(self, texts: list[str], priority: Priority = Priority.AGENT) -> None:
        self.answer: np.ndarray | QmdError | None = None
        self.answered = threading.Event()
        self.request = Embed(1, texts, "document", priority)
        self.ticket = Ticket(1, len(texts), self._finish, priority)

    def _finish(self, answer: np.ndarray | QmdError) -> None:
        assert not self.answered.is_set()
        self.answer = answer
        self.answered.set()

    def code(self) -> str:
        assert self.answered.wait(30)
        assert isinstance(self.answer, QmdError)
        return self.answer.code

    def lengths(self) -> list[float]:
        assert self.answered.wait(30)
        assert isinstance(self.answer, np.ndarray)
        return self.answer[:, 0].tolist()


@pytest.fixture
def model() -> Letters:
    return Letters()


@pytest.fixture
def lane(model: Letters):
    lane = Lane(model, Batcher(budget=100, window=100), threads=2)
    yield lane
    model.gate.set()
    lane.close()


def test_texts_become_vectors_in_their_order(lane: Lane) -> None:
    caller = Caller(["abc", "a", "abcdefgh", "ab"])
    lane.submit(caller.request, caller.ticket)
    assert caller.lengths() == [3, 1, 8, 2]


def test_what_cannot_be_cut_into_tokens_is_answered_and_the_lane_goes_on(
    lane: Lane, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = Caller(["?"]), Caller(["ok"])
    for caller in (bad, good):
        lane.submit(caller.request, caller.ticket)
    assert bad.code() == "unavailable"
    assert good.lengths() == [2]
    assert "no tokens for ?" in capsys.readouterr().err


def test_a_bad_text_takes_no_others_with_it(model: Letters, capsys: pytest.CaptureFixture[str]) -> None:
    callers = [Caller([text]) for text in ("a", "bb", "X", "N", "ccc")]
    compute(model, [Text(c.ticket, 0, model.encode(c.request.texts, "query")[0]) for c in callers])
    assert [c.lengths() for c in (callers[0], callers[1], callers[4])] == [[1], [2], [3]]
    assert callers[2].code() == callers[3].code() == "unavailable"
    assert "RuntimeError: X" in capsys.readouterr().err


def test_the_oldest_batch_says_for_how_long_it_runs(lane: Lane, model: Letters) -> None:
    assert lane.busy_s() == 0
    model.gate.clear()
    caller = Caller(["a"])
    lane.submit(caller.request, caller.ticket)
    assert model.entered.acquire(timeout=30)
    assert lane.busy_s() > 0
    model.gate.set()
    assert caller.lengths() == [1]


def test_a_cancelled_ticket_is_not_computed(lane: Lane, model: Letters) -> None:
    model.gate.clear()
    running = [Caller(["a"]), Caller(["b"])]  # one for each thread
    for caller in running:
        lane.submit(caller.request, caller.ticket)
        assert model.entered.acquire(timeout=30)
    dropped, after = Caller(["c"]), Caller(["dd"])
    for caller in (dropped, after):
        lane.submit(caller.request, caller.ticket)
    dropped.ticket.cancel()
    model.gate.set()
    assert after.lengths() == [2]
    assert not dropped.answered.is_set()
    assert len(model.batches) == 3


def test_whoever_begins_is_told_before_it_is_computed(model: Letters) -> None:
    begun: list[tuple[int, int]] = []
    lane = Lane(
        model, Batcher(10, 10), threads=1, begin=lambda tickets: begun.append((len(tickets), len(model.batches)))
    )
    caller = Caller(["a", "b"])
    lane.submit(caller.request, caller.ticket)
    assert caller.lengths() == [1, 1]
    lane.close()
    assert begun == [(1, 0)]


def test_closing_answers_what_is_queued(model: Letters) -> None:
    lane = Lane(model, Batcher(1, 10), threads=1)
    model.gate.clear()
    running, queued = Caller(["a"]), Caller(["b"])
    lane.submit(running.request, running.ticket)
    assert model.entered.acquire(timeout=30)
    lane.submit(queued.request, queued.ticket)
    closing = threading.Thread(target=lane.close)
    closing.start()
    assert queued.code() == "unavailable"
    model.gate.set()
    closing.join()
    assert running.lengths() == [1]
