from __future__ import annotations

import pytest

from ipc.errors import QmdError
from qmd_daemon.grants import Grant
from qmd_daemon.serve.rates import Rates


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def grant(name: str, rate: float) -> Grant:
    return Grant(id=name, name=name, kind="token", check="", rate=rate)


def taken(rates: Rates, who: Grant, most: int) -> int:
    """How many of so many requests are let through."""
    for number in range(most):
        try:
            rates.take(who)
        except QmdError:
            return number
    return most


def test_as_many_as_in_a_second_then_as_they_come() -> None:
    clock = Clock()
    rates, phone = Rates(clock), grant("phone", 10)
    assert taken(rates, phone, 100) == 10
    clock.now += 0.5
    assert taken(rates, phone, 100) == 5
    clock.now += 60
    assert taken(rates, phone, 100) == 10


def test_slower_than_one_in_a_second() -> None:
    clock = Clock()
    rates, phone = Rates(clock), grant("phone", 0.1)
    assert taken(rates, phone, 5) == 1
    clock.now += 9.5
    assert taken(rates, phone, 5) == 0
    clock.now += 0.6
    assert taken(rates, phone, 5) == 1


def test_one_does_not_spend_what_is_the_others() -> None:
    rates = Rates(Clock())
    assert taken(rates, grant("a", 1), 5) == 1
    assert taken(rates, grant("b", 1), 5) == 1


def test_a_grant_without_a_rate_has_none() -> None:
    rates = Rates(Clock())
    assert taken(rates, grant("a", 0), 1000) == 1000


def test_it_is_told_when_to_come_back() -> None:
    rates, phone = Rates(Clock()), grant("phone", 0.5)
    rates.take(phone)
    with pytest.raises(QmdError, match=r"Again in 2\.0 s") as caught:
        rates.take(phone)
    assert caught.value.code == "rate_limited"
