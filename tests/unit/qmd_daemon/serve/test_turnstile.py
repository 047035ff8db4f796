"""One in each round of the loop, in order, and nobody is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from qmd_daemon.serve.turnstile import LONG_S, Turnstile


async def test_one_in_each_round() -> None:
    turnstile, passed = Turnstile(), []

    def passing(number: int) -> Callable[[], bool]:
        return lambda: passed.append(number) is None

    assert turnstile.enter(passing(0))
    assert [turnstile.enter(passing(number)) for number in range(1, 5)] == [False] * 4
    seen = []
    while turnstile.waiting:
        await asyncio.sleep(0)
        seen.append(list(passed))
    assert passed == [1, 2, 3, 4]  # the first one went by itself
    assert all(len(after) <= round_ + 1 for round_, after in enumerate(seen))


async def test_when_nobody_waits_it_is_open_again() -> None:
    turnstile = Turnstile()
    for _ in range(3):
        assert turnstile.enter(lambda: True)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_those_who_have_left_take_no_turn() -> None:
    turnstile, passed = Turnstile(), []
    turnstile.enter(lambda: True)
    for _ in range(100):
        turnstile.enter(lambda: False)
    turnstile.enter(lambda: passed.append(1) is None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert passed == [1]


async def test_one_that_fails_does_not_stop_the_others() -> None:
    turnstile, passed, failures = Turnstile(), [], []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))

    def fail() -> bool:
        raise ValueError

    turnstile.enter(lambda: True)
    turnstile.enter(fail)
    turnstile.enter(lambda: passed.append(1) is None)
    for _ in range(4):
        await asyncio.sleep(0)
    assert passed == [1]
    assert len(failures) == 1


async def test_after_a_long_round_what_has_begun_goes_on_first() -> None:
    now = 0.0
    turnstile, passed = Turnstile(clock=lambda: now), []
    turnstile.enter(lambda: True)
    for number in range(3):
        turnstile.enter(lambda number=number: passed.append(number) is None)  # type: ignore[misc]
    rounds = []
    for _ in range(20):
        now += 10 * LONG_S
        await asyncio.sleep(0)
        rounds.append(len(passed))
    assert rounds[:7] == [0] * 7
    assert rounds[-1] == 2  # but not for ever
    await asyncio.sleep(0)  # a short one
    assert passed == [0, 1, 2]
