from __future__ import annotations

import asyncio

import pytest

from ipc.errors import QmdError
from qmd_daemon.engine import frames
from qmd_daemon.engine.model import Priority
from qmd_daemon.engine.pending import Part, Pending


def add(pending: Pending, count: int = 1) -> list[Part]:
    texts = [str(n) for n in range(count)]
    parts = pending.add([frames.Embed(pending.next_id(), Priority.AGENT, texts, "document")])
    for part in parts:
        part.sent = True
    return parts


def code(part: Part) -> str:
    error = part.result.exception()
    assert isinstance(error, QmdError)
    return error.code


async def test_what_is_waited_for_is_weighed() -> None:
    pending = Pending()
    embed = frames.Embed(pending.next_id(), Priority.AGENT, ["a", "b"], "query")
    rerank = frames.Rerank(pending.next_id(), Priority.AGENT, "q", ["a", "b", "c"])
    expand = frames.Expand(pending.next_id(), Priority.AGENT, "q", ["lex"])
    parts = pending.add([embed, rerank, expand, frames.Load(pending.next_id(), "reranker")])
    assert pending.weight == 2 + 3 + 1 + 1
    assert [part.role for part in parts] == ["embedding", "reranker", "expansion", "reranker"]
    assert pending.unsent() == parts
    assert len({part.request.id for part in parts}) == 4


async def test_results_reach_whoever_waits() -> None:
    pending = Pending()
    (part,) = add(pending, 2)
    pending.answered(part.request.id, "vectors")
    assert await part.result == "vectors"
    assert not pending
    assert pending.weight == 0


async def test_answers_to_nobody_are_dropped() -> None:
    pending = Pending()
    pending.answered(99, None)
    pending.failed(99, QmdError("internal", "…"))
    pending.begun([99])
    assert not pending
    assert pending.weight == 0


async def test_an_answer_that_crosses_a_cancellation_is_dropped() -> None:
    pending = Pending()
    (one,), (two,) = add(pending), add(pending)
    one.result.cancel()
    two.result.cancel()
    pending.answered(one.request.id, None)
    pending.failed(two.request.id, QmdError("internal", "…"))
    assert not pending
    assert pending.weight == 0
    assert pending.release(one) is False


@pytest.mark.parametrize(("sent", "told"), [(True, True), (False, False)])
async def test_only_what_was_sent_is_worth_telling_the_worker_when_it_is_released(sent: bool, told: bool) -> None:
    pending = Pending()
    (part,) = add(pending)
    part.sent = sent
    assert pending.release(part) is told
    assert pending.release(part) is False
    assert part.result.cancelled()


async def test_an_error_that_nobody_awaits_makes_no_noise() -> None:
    pending = Pending()
    (part,) = add(pending)
    noise: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: noise.append(context))
    pending.fail(QmdError("unavailable", "gone"))
    assert pending.release(part) is False
    del part
    assert noise == []


async def test_what_a_worker_died_of_twice_fails_and_the_rest_is_sent_again() -> None:
    pending = Pending()
    (poison,), (bystander,) = add(pending), add(pending)
    pending.begun([poison.request.id])
    assert pending.lost("was killed")
    assert pending.unsent() == [poison, bystander]

    poison.sent = bystander.sent = True
    pending.begun([poison.request.id])
    assert pending.lost("was killed")
    assert code(poison) == "unavailable"
    assert pending.unsent() == [bystander]


async def test_a_worker_that_was_computing_nothing_leaves_no_suspects() -> None:
    pending = Pending()
    (waiting,) = add(pending)
    for _ in range(3):
        assert pending.lost("was killed") == []
    assert not waiting.result.done()


async def test_one_role_fails_alone_and_what_was_not_sent_may_wait() -> None:
    pending = Pending()
    (sent,) = add(pending)
    (unsent,) = add(pending)
    unsent.sent = False
    (other,) = pending.add([frames.Expand(pending.next_id(), Priority.AGENT, "q", ["lex"])])
    pending.fail(QmdError("unavailable", "no room"), "embedding", sent=True)
    assert code(sent) == "unavailable"
    assert pending.unsent() == [unsent, other]
    pending.fail(QmdError("unavailable", "the end"))
    assert not pending
