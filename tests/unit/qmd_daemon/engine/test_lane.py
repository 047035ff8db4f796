from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from ipc.errors import QmdError
from qmd_daemon.engine.batcher import Batcher, Item, Ticket
from qmd_daemon.engine.frames import Answer, Embed
from qmd_daemon.engine.lane import Lane, compute
from qmd_daemon.engine.model import Priority
from qmd_daemon.engine.role import Alive, Piece


class Letters:
    """A model whose tokens are characters, and whose rows count them.

    Chokes on X, gives NaN for N, and has no room for more than `room` letters at once.
    """

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.room = 1000

    def encode(self, request: Embed) -> list[Piece]:
        if "?" in request.texts:
            raise ValueError("no tokens for ?")
        return [Piece(at, [ord(letter) for letter in text]) for at, text in enumerate(request.texts)]

    def compute(self, batch: Sequence[Piece], alive: Alive) -> np.ndarray:
        self.batches.append(len(batch))
        self.entered.release()
        self.gate.wait()
        if sum(len(piece.tokens) for piece in batch) > self.room:
            raise RuntimeError("CUDA failed with error out of memory")
        if any(ord("X") in piece.tokens for piece in batch):
            raise RuntimeError("X")
        return np.array([[np.nan if ord("N") in piece.tokens else len(piece.tokens)] for piece in batch], np.float32)

    def answer(self, request: Embed, pieces: Sequence[Piece], rows: Sequence[np.ndarray]) -> Answer:
        raise AssertionError("the worker asks for it, not the lane")

    def close(self) -> None:
        pass


class Host:
    """Writes down what a lane tells."""

    def __init__(self, model: Letters) -> None:
        self._model = model
        self.begun: list[tuple[int, int]] = []
        self.relieved = 0
        self.done: list[tuple[int, int]] = []

    def begin(self, tickets: Sequence[Ticket]) -> None:
        self.begun.append((len(tickets), len(self._model.batches)))

    def computed(self, pieces: int, tokens: int) -> None:
        self.done.append((pieces, tokens))

    def relieve(self) -> None:
        self.relieved += 1


class Caller:
    def __init__(self, texts: list[str], priority: Priority = Priority.AGENT) -> None:
        self.answer: list[np.ndarray] | QmdError | None = None
        self.answered = threading.Event()
        self.request = Embed(1, priority, texts, "document")
        self.ticket = Ticket(self.request, self._finish)

    def _finish(self, _: Ticket, answer: list[np.ndarray] | QmdError | None) -> None:
        assert not self.answered.is_set()
        self.answer = answer
        self.answered.set()

    def code(self) -> str:
        assert self.answered.wait(30)
        assert isinstance(self.answer, QmdError)
        return self.answer.code

    def lengths(self) -> list[float]:
        assert self.answered.wait(30)
        assert isinstance(self.answer, list)
        return [row[0] for row in self.answer]


@pytest.fixture
def model() -> Letters:
    return Letters()


@pytest.fixture
def lane(model: Letters):
    lane = Lane(model, Batcher(budget=100, window=100), 2, Host(model))
    yield lane
    model.gate.set()
    lane.close()


def test_texts_become_vectors_in_their_order(lane: Lane) -> None:
    caller = Caller(["abc", "a", "abcdefgh", "ab"])
    lane.submit(caller.ticket)
    assert caller.lengths() == [3, 1, 8, 2]


def test_what_cannot_be_cut_into_tokens_is_answered_and_the_lane_goes_on(
    lane: Lane, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = Caller(["?"]), Caller(["ok"])
    for caller in (bad, good):
        lane.submit(caller.ticket)
    assert bad.code() == "unavailable"
    assert good.lengths() == [2]
    assert "no tokens for ?" in capsys.readouterr().err


def batch_of(model: Letters, callers: Sequence[Caller]) -> list[Item]:
    items = []
    for caller in callers:
        caller.ticket.expect(model.encode(caller.request))
        items.append(Item(caller.ticket, 0, caller.ticket.pieces[0]))
    return items


def test_a_bad_text_takes_no_others_with_it(model: Letters, capsys: pytest.CaptureFixture[str]) -> None:
    callers = [Caller([text]) for text in ("a", "bb", "X", "N", "ccc")]
    compute(model, batch_of(model, callers), Host(model).relieve)
    assert [c.lengths() for c in (callers[0], callers[1], callers[4])] == [[1], [2], [3]]
    assert callers[2].code() == callers[3].code() == "unavailable"
    assert "RuntimeError: X" in capsys.readouterr().err


def test_a_batch_that_does_not_fit_is_halved_and_tried_once_more(model: Letters) -> None:
    callers, host = [Caller([text]) for text in ("a", "bb", "ccc")], Host(model)
    model.room = 3
    compute(model, batch_of(model, callers), host.relieve)
    assert [caller.lengths() for caller in callers] == [[1], [2], [3]]
    assert (model.batches, host.relieved) == ([3, 2, 1], 1)


def test_what_does_not_fit_then_fails(model: Letters, capsys: pytest.CaptureFixture[str]) -> None:
    callers, host = [Caller(["aaaa"]), Caller(["bbbb"]), Caller(["c"]), Caller(["d"])], Host(model)
    model.room = 4
    compute(model, batch_of(model, callers), host.relieve)
    assert callers[0].code() == callers[1].code() == "unavailable"
    assert callers[2].lengths() == callers[3].lengths() == [1]
    assert model.batches == [4, 2, 2]


def test_the_oldest_batch_says_for_how_long_it_runs(lane: Lane, model: Letters) -> None:
    assert lane.busy_s() == 0
    model.gate.clear()
    caller = Caller(["a"])
    lane.submit(caller.ticket)
    assert model.entered.acquire(timeout=30)
    assert lane.busy_s() > 0
    model.gate.set()
    assert caller.lengths() == [1]


def test_a_cancelled_ticket_is_not_computed(lane: Lane, model: Letters) -> None:
    model.gate.clear()
    running = [Caller(["a"]), Caller(["b"])]  # one for each thread
    for caller in running:
        lane.submit(caller.ticket)
        assert model.entered.acquire(timeout=30)
    dropped, after = Caller(["c"]), Caller(["dd"])
    for caller in (dropped, after):
        lane.submit(caller.ticket)
    dropped.ticket.cancel()
    model.gate.set()
    assert after.lengths() == [2]
    assert dropped.answer is None
    assert len(model.batches) == 3


def test_whoever_begins_is_told_before_it_is_computed(model: Letters) -> None:
    host = Host(model)
    lane = Lane(model, Batcher(10, 10), 1, host)
    caller = Caller(["a", "b"])
    lane.submit(caller.ticket)
    assert caller.lengths() == [1, 1]
    assert lane.close() == []
    assert host.begun == [(1, 0)]


def test_what_was_computed_is_told_in_pieces_and_tokens(model: Letters) -> None:
    host = Host(model)
    lane = Lane(model, Batcher(4, 10), 1, host)
    caller = Caller(["a", "bc", "def"])
    lane.submit(caller.ticket)
    caller.lengths()
    lane.close()
    assert sum(pieces for pieces, _ in host.done) == 3
    assert sum(tokens for _, tokens in host.done) == sum(len(piece.tokens) for piece in caller.ticket.pieces)
    assert len(host.done) == len(model.batches)


def test_closing_finishes_what_runs_and_gives_back_what_is_queued(model: Letters) -> None:
    lane = Lane(model, Batcher(1, 10), 1, Host(model))
    model.gate.clear()
    running, queued, cancelled = Caller(["a"]), Caller(["b"]), Caller(["c"])
    lane.submit(running.ticket)
    assert model.entered.acquire(timeout=30)
    for caller in (queued, cancelled):
        lane.submit(caller.ticket)
    cancelled.ticket.cancel()
    left: list[Ticket] = []
    closing = threading.Thread(target=lambda: left.extend(lane.close()))
    closing.start()
    model.gate.set()
    closing.join()
    assert running.lengths() == [1]
    assert left == [queued.ticket]
    again = Lane(model, Batcher(1, 10), 1, Host(model))
    again.submit(queued.ticket)
    assert queued.lengths() == [1]
    again.close()
