"""The order and the size of batches, and the promise that everybody who waits gets an answer."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.errors import QmdError
from qmd_daemon.engine.batcher import Batcher, Text, Ticket, cut
from qmd_daemon.engine.model import Priority

_numbers = count()


class Caller:
    """Somebody who waits for a ticket, and writes down every answer."""

    def __init__(self, lengths: list[int], priority: Priority = Priority.AGENT, deadline: float | None = None) -> None:
        self.answers: list[np.ndarray | QmdError] = []
        self.answered = threading.Event()
        self.number = next(_numbers)
        self.tokens = [[self.number] * length for length in lengths]
        self.ticket = Ticket(self.number, len(lengths), self._finish, priority, deadline)

    def _finish(self, answer: np.ndarray | QmdError) -> None:
        self.answers.append(answer)
        self.answered.set()


def vector(text: Text) -> np.ndarray:
    """What the model of these tests computes: whose text it is, and which."""
    return np.array([text.ticket.number, text.position], np.float32)


def drain(batcher: Batcher, callers: list[Caller]) -> list[list[Text]]:
    """Compute until nobody waits any more, and return the batches."""
    batches = []
    while any(not caller.ticket.over for caller in callers):
        batch = batcher.take()
        assert batch
        batches.append(batch)
        for text in batch:
            text.ticket.fill(text.position, vector(text))
    return batches


lengths = st.lists(st.integers(1, 300), min_size=1, max_size=12)


@given(st.lists(st.integers(1, 400), max_size=60), st.integers(1, 300))
def test_a_batch_keeps_its_budget_and_none_is_lost(sizes: list[int], budget: int) -> None:
    caller = Caller(sizes or [1])
    texts = [Text(caller.ticket, i, tokens) for i, tokens in enumerate(caller.tokens)]
    batches = cut(texts, budget)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(len(text.tokens) for text in batch) <= budget
    assert Counter(text.position for batch in batches for text in batch) == Counter(range(len(texts)))


@given(st.lists(st.tuples(lengths, st.sampled_from(Priority), st.booleans()), max_size=20), st.integers(1, 40))
def test_each_ticket_gets_its_own_vectors_once_or_is_cancelled(
    wanted: list[tuple[list[int], Priority, bool]], window: int
) -> None:
    batcher = Batcher(budget=256, window=window)
    callers = [(Caller(sizes, priority), cancelled) for sizes, priority, cancelled in wanted]
    for caller, _ in callers:
        batcher.put(caller.ticket, caller.tokens)
    for caller, cancelled in callers:
        if cancelled:
            caller.ticket.cancel()
    batches = drain(batcher, [caller for caller, _ in callers])
    computed = Counter(text.ticket for batch in batches for text in batch)
    for caller, cancelled in callers:
        if cancelled:
            assert caller.answers == []
            assert computed[caller.ticket] == 0
        else:
            (answer,) = caller.answers
            assert isinstance(answer, np.ndarray)
            assert answer.tolist() == [[caller.number, i] for i in range(len(caller.tokens))]


@given(st.lists(st.tuples(lengths, st.sampled_from(Priority)), max_size=20))
def test_higher_priorities_go_first_and_windows_in_the_order_of_arrival(
    wanted: list[tuple[list[int], Priority]],
) -> None:
    batcher = Batcher(budget=256, window=4)
    callers = [Caller(sizes, priority) for sizes, priority in wanted]
    for caller in callers:
        batcher.put(caller.ticket, caller.tokens)
    texts = [text for batch in drain(batcher, callers) for text in batch]
    priorities = [text.ticket.priority for text in texts]
    assert priorities == sorted(priorities)
    for priority in Priority:
        order = [(t.ticket.number, t.position) for t in texts if t.ticket.priority is priority]
        for start in range(0, len(order), 4):
            assert max(order[: start + 4]) <= min(order[start + 4 :], default=max(order))


def test_an_urgent_text_goes_before_batches_that_are_cut_already() -> None:
    batcher = Batcher(budget=10, window=100)
    slow = Caller([10, 10, 10], Priority.INDEXING)
    batcher.put(slow.ticket, slow.tokens)
    assert [text.position for text in batcher.take() or []] == [0]
    urgent = Caller([3], Priority.INTERACTIVE)
    batcher.put(urgent.ticket, urgent.tokens)
    assert [text.ticket for text in batcher.take() or []] == [urgent.ticket]
    assert [text.position for text in batcher.take() or []] == [1]


def test_texts_past_their_deadline_are_answered_but_not_computed() -> None:
    now = 100.0
    batcher = Batcher(budget=10, window=1, clock=lambda: now)
    late = Caller([1, 1], deadline=100.0)
    timely = Caller([1], deadline=100.1)
    for caller in (late, timely):
        batcher.put(caller.ticket, caller.tokens)
    assert {text.ticket for batch in drain(batcher, [late, timely]) for text in batch} == {timely.ticket}
    (error,) = late.answers
    assert isinstance(error, QmdError)
    assert error.code == "deadline"


def test_what_is_cancelled_while_it_is_computed_is_not_answered() -> None:
    caller = Caller([1, 1])
    caller.ticket.fill(0, np.zeros(2, np.float32))
    caller.ticket.cancel()
    caller.ticket.fill(1, np.zeros(2, np.float32))
    caller.ticket.fail(QmdError("internal", "too late"))
    assert caller.ticket.over
    assert caller.answers == []


def test_a_row_that_comes_twice_counts_once() -> None:
    caller = Caller([1, 1])
    caller.ticket.fill(0, np.zeros(2, np.float32))
    caller.ticket.fill(0, np.ones(2, np.float32))
    assert caller.answers == []
    caller.ticket.fill(1, np.zeros(2, np.float32))
    assert len(caller.answers) == 1


@pytest.mark.parametrize("taken", [0, 1])
def test_closing_answers_whoever_is_queued(taken: int) -> None:
    batcher = Batcher(budget=1, window=2)
    caller, other = Caller([1, 1, 1]), Caller([1])
    batcher.put(caller.ticket, caller.tokens)
    for _ in range(taken):
        batcher.take()
    batcher.close()
    batcher.put(other.ticket, other.tokens)
    assert batcher.take() is None
    for answers in (caller.answers, other.answers):
        (error,) = answers
        assert isinstance(error, QmdError)
        assert error.code == "unavailable"


def produce(batcher: Batcher, callers: list[Caller]) -> None:
    for caller in callers:
        batcher.put(caller.ticket, caller.tokens)
        if caller.number % 4 == 0:
            caller.ticket.cancel()


def consume(batcher: Batcher) -> None:
    while (batch := batcher.take()) is not None:
        for text in batch:
            text.ticket.fill(text.position, vector(text))


def test_many_threads() -> None:
    """Producers, cancellers and consumers at once: each ticket ends as it should."""
    batcher = Batcher(budget=64, window=16)
    callers = [Caller([n % 7 + 1] * (n % 5 + 1), Priority(n % 3)) for n in range(300)]
    producers = [threading.Thread(target=produce, args=(batcher, callers[i::3])) for i in range(3)]
    consumers = [threading.Thread(target=consume, args=(batcher,)) for _ in range(3)]
    for thread in (*consumers, *producers):
        thread.start()
    for thread in producers:
        thread.join()
    for caller in callers:
        if caller.number % 4:
            assert caller.answered.wait(60)
            assert np.array_equal(caller.answers[0], [[caller.number, i] for i in range(len(caller.tokens))])
        assert len(caller.answers) <= 1
    batcher.close()
    for thread in consumers:
        thread.join()
