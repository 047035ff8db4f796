from __future__ import annotations

import asyncio

import numpy as np
import pytest

from ipc.errors import QmdError
from qmd_daemon.engine.model import Priority
from qmd_daemon.engine.pending import PART_TEXTS, Part, Pending


def add(pending: Pending, count: int = 1) -> list[Part]:
    parts = pending.add([str(n) for n in range(count)], "document", Priority.AGENT, None)
    for part in parts:
        part.sent = True
    return parts


def code(part: Part) -> str:
    error = part.vectors.exception()
    assert isinstance(error, QmdError)
    return error.code


async def test_a_call_is_cut_into_parts_in_order() -> None:
    pending = Pending(2)
    parts = pending.add([str(n) for n in range(2 * PART_TEXTS + 1)], "query", Priority.AGENT, 7.0)
    assert [len(part.request.texts) for part in parts] == [PART_TEXTS, PART_TEXTS, 1]
    assert [text for part in parts for text in part.request.texts] == [str(n) for n in range(2 * PART_TEXTS + 1)]
    assert len({part.request.id for part in parts}) == 3
    assert {part.request.deadline for part in parts} == {7.0}
    assert pending.texts == 2 * PART_TEXTS + 1
    assert pending.unsent() == parts


async def test_vectors_reach_whoever_waits() -> None:
    pending = Pending(2)
    (part,) = add(pending, 2)
    pending.embedded(part.request.id, np.array([[1, 2], [3, 4]], "<f4").tobytes())
    assert (await part.vectors).tolist() == [[1, 2], [3, 4]]
    assert not pending
    assert pending.texts == 0


async def test_answers_to_nobody_are_dropped() -> None:
    pending = Pending(2)
    pending.embedded(99, b"")
    pending.failed(99, QmdError("internal", "…"))
    pending.begun([99])
    assert not pending
    assert pending.texts == 0


async def test_an_answer_that_crosses_a_cancellation_is_dropped() -> None:
    pending = Pending(2)
    (one,), (two,) = add(pending), add(pending)
    one.vectors.cancel()
    two.vectors.cancel()
    pending.embedded(one.request.id, np.zeros((1, 2), "<f4").tobytes())
    pending.failed(two.request.id, QmdError("internal", "…"))
    assert not pending
    assert pending.texts == 0
    assert pending.release(one) is False


@pytest.mark.parametrize(("sent", "told"), [(True, True), (False, False)])
async def test_only_what_was_sent_is_worth_telling_the_worker_when_it_is_released(sent: bool, told: bool) -> None:
    pending = Pending(2)
    (part,) = add(pending)
    part.sent = sent
    assert pending.release(part) is told
    assert pending.release(part) is False
    assert part.vectors.cancelled()


async def test_an_error_that_nobody_awaits_makes_no_noise() -> None:
    pending = Pending(2)
    (part,) = add(pending)
    noise: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: noise.append(context))
    pending.fail(QmdError("unavailable", "gone"))
    assert pending.release(part) is False
    del part
    assert noise == []


async def test_what_a_worker_died_of_twice_fails_and_the_rest_is_sent_again() -> None:
    pending = Pending(2)
    (poison,), (bystander,) = add(pending), add(pending)
    pending.begun([poison.request.id])
    assert pending.lost("was killed") is True
    assert pending.unsent() == [poison, bystander]

    poison.sent = bystander.sent = True
    pending.begun([poison.request.id])
    assert pending.lost("was killed") is True
    assert code(poison) == "unavailable"
    assert pending.unsent() == [bystander]


async def test_a_worker_that_was_computing_nothing_leaves_no_suspects() -> None:
    pending = Pending(2)
    (waiting,) = add(pending)
    for _ in range(3):
        assert pending.lost("was killed") is False
    assert not waiting.vectors.done()
