"""The order and the size of batches, and the promise that everybody who waits gets an answer."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.errors import QmdError
from qmd_daemon.engine.batcher import Batcher, Item, Ticket, cut
from qmd_daemon.engine.frames import Embed
from qmd_daemon.engine.model import Priority
from qmd_daemon.engine.role import Piece

_numbers = count()


class Caller:
    """Somebody who waits for a ticket, and writes down every answer."""

    def __init__(self, lengths: list[int], priority: Priority = Priority.AGENT, deadline: float | None = None) -> None:
        self.answers: list[list[tuple[int, int]] | QmdError | None] = []
        self.answered = threading.Event()
        self.number = next(_numbers)
        self.pieces = [Piece(at, [self.number] * length) for at, length in enumerate(lengths)]
        self.ticket = Ticket(Embed(self.number, priority, [], "query", deadline), self._finish)

    def _finish(self, ticket: Ticket, answer: list[tuple[int, int]] | QmdError | None) -> None:
        assert ticket is self.ticket
        self.answers.append(answer)
        self.answered.set()


def row(item: Item) -> tuple[int, int]:
    """What the model of these tests computes: whose piece it is, and which."""
    return (item.ticket.request.id, item.position)


def drain(batcher: Batcher, callers: list[Caller]) -> list[list[Item]]:
    """Compute until nobody waits any more, and return the batches."""
    batches = []
    while any(not caller.ticket.over for caller in callers):
        batch = batcher.take()
        assert batch
        batches.append(batch)
        for item in batch:
            item.ticket.fill(item.position, row(item))
    return batches


lengths = st.lists(st.integers(1, 300), min_size=1, max_size=12)


@given(st.lists(st.integers(1, 400), max_size=60), st.integers(1, 300))
def test_a_batch_keeps_its_budget_and_none_is_lost(sizes: list[int], budget: int) -> None:
    caller = Caller(sizes or [1])
    items = [Item(caller.ticket, i, piece) for i, piece in enumerate(caller.pieces)]
    batches = cut(items, budget)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(item.length for item in batch) <= budget
    assert Counter(text.position for batch in batches for text in batch) == Counter(range(len(items)))


@given(st.lists(st.tuples(lengths, st.sampled_from(Priority), st.booleans()), max_size=20), st.integers(1, 40))
def test_each_ticket_gets_its_own_rows_once_or_is_cancelled(
    wanted: list[tuple[list[int], Priority, bool]], window: int
) -> None:
    batcher = Batcher(budget=256, window=window)
    callers = [(Caller(sizes, priority), cancelled) for sizes, priority, cancelled in wanted]
    for caller, _ in callers:
        batcher.put(caller.ticket, caller.pieces)
    for caller, cancelled in callers:
        if cancelled:
            caller.ticket.cancel()
    batches = drain(batcher, [caller for caller, _ in callers])
    computed = Counter(text.ticket for batch in batches for text in batch)
    for caller, cancelled in callers:
        if cancelled:
            assert caller.answers == [None]
            assert computed[caller.ticket] == 0
        else:
            (answer,) = caller.answers
            assert answer == [(caller.number, i) for i in range(len(caller.pieces))]


@given(st.lists(st.tuples(lengths, st.sampled_from(Priority)), max_size=20))
def test_higher_priorities_go_first_and_windows_in_the_order_of_arrival(
    wanted: list[tuple[list[int], Priority]],
) -> None:
    batcher = Batcher(budget=256, window=4)
    callers = [Caller(sizes, priority) for sizes, priority in wanted]
    for caller in callers:
        batcher.put(caller.ticket, caller.pieces)
    items = [item for batch in drain(batcher, callers) for item in batch]
    priorities = [item.ticket.request.priority for item in items]
    assert priorities == sorted(priorities)
    for priority in Priority:
        order = [row(item) for item in items if item.ticket.request.priority is priority]
        for start in range(0, len(order), 4):
            assert max(order[: start + 4]) <= min(order[start + 4 :], default=max(order))


def test_an_urgent_text_goes_before_batches_that_are_cut_already() -> None:
    batcher = Batcher(budget=10, window=100)
    slow = Caller([10, 10, 10], Priority.INDEXING)
    batcher.put(slow.ticket, slow.pieces)
    assert [text.position for text in batcher.take() or []] == [0]
    urgent = Caller([3], Priority.INTERACTIVE)
    batcher.put(urgent.ticket, urgent.pieces)
    assert [text.ticket for text in batcher.take() or []] == [urgent.ticket]
    assert [text.position for text in batcher.take() or []] == [1]


def test_texts_past_their_deadline_are_answered_but_not_computed() -> None:
    now = 100.0
    batcher = Batcher(budget=10, window=1, clock=lambda: now)
    late = Caller([1, 1], deadline=100.0)
    timely = Caller([1], deadline=100.1)
    for caller in (late, timely):
        batcher.put(caller.ticket, caller.pieces)
    assert {text.ticket for batch in drain(batcher, [late, timely]) for text in batch} == {timely.ticket}
    (error,) = late.answers
    assert isinstance(error, QmdError)
    assert error.code == "deadline"


def test_what_is_cancelled_while_it_is_computed_ends_once() -> None:
    caller = Caller([1, 1])
    caller.ticket.expect(caller.pieces)
    caller.ticket.fill(0, "row")
    caller.ticket.cancel()
    caller.ticket.fill(1, "row")
    caller.ticket.fail(QmdError("internal", "too late"))
    assert caller.ticket.over
    assert caller.answers == [None]


def test_a_row_that_comes_twice_counts_once() -> None:
    caller = Caller([1, 1])
    caller.ticket.expect(caller.pieces)
    caller.ticket.fill(0, "row")
    caller.ticket.fill(0, "other")
    assert caller.answers == []
    caller.ticket.fill(1, "row")
    assert caller.answers == [["other", "row"]]


@pytest.mark.parametrize("taken", [0, 1])
def test_closing_gives_back_what_is_queued(taken: int) -> None:
    batcher = Batcher(budget=1, window=2)
    caller, cancelled, other = Caller([1, 1, 1]), Caller([1]), Caller([1])
    for one in (caller, cancelled):
        assert batcher.put(one.ticket, one.pieces)
    for _ in range(taken):
        batcher.take()
    cancelled.ticket.cancel()
    assert batcher.close() == [caller.ticket]
    assert not batcher.put(other.ticket, other.pieces)
    assert batcher.take() is None
    # Elsewhere it begins anew.
    again = Batcher(budget=10, window=10)
    again.put(caller.ticket, caller.pieces)
    drain(again, [caller])
    assert caller.answers == [[(caller.number, i) for i in range(3)]]


def produce(batcher: Batcher, callers: list[Caller]) -> None:
    for caller in callers:
        batcher.put(caller.ticket, caller.pieces)
        if caller.number % 4 == 0:
            caller.ticket.cancel()


def consume(batcher: Batcher) -> None:
    while (batch := batcher.take()) is not None:
        for item in batch:
            item.ticket.fill(item.position, row(item))


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
            assert caller.answers == [[(caller.number, i) for i in range(len(caller.pieces))]]
        assert len(caller.answers) <= 1
    batcher.close()
    for thread in consumers:
        thread.join()
