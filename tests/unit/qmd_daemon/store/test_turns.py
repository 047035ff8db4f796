from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from qmd_daemon.store.turns import Turns


def test_one_at_a_time_and_the_urgent_go_first() -> None:
    turns, order = Turns(), []
    inside = threading.Barrier(2)

    def patient(name: str) -> None:
        with turns.patient():
            order.append(name)

    def urgent() -> None:
        with turns.urgent():
            order.append("urgent")

    def hold() -> None:
        with turns.patient():
            inside.wait(20)
            inside.wait(20)

    with ThreadPoolExecutor(5) as threads:
        threads.submit(hold)
        inside.wait(20)
        waiting = [threads.submit(patient, name) for name in ("a", "b")]
        waiting.append(threads.submit(urgent))
        while turns._urgent != 1:  # it has come to wait
            pass
        inside.wait(20)
        for one in waiting:
            one.result(20)
    assert order[0] == "urgent"
    assert sorted(order[1:]) == ["a", "b"]


@pytest.mark.parametrize("kind", ["urgent", "patient"])
def test_what_fails_inside_lets_the_next_one_in(kind: str) -> None:
    turns = Turns()
    with pytest.raises(LookupError), getattr(turns, kind)():
        raise LookupError
    with turns.patient():
        pass
    with turns.urgent():
        pass
