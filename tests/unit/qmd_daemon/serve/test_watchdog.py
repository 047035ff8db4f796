from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from qmd_daemon.serve.watchdog import Watchdog
from qmd_daemon.systemd import Notifier


class Heard(Notifier):
    """Keeps what it would send."""

    def __init__(self, watchdog_s: float) -> None:
        super().__init__({})
        self.watchdog_s = watchdog_s
        self.fed = 0
        self.status = ""

    def send(self, *lines: str) -> None:
        self.fed += "WATCHDOG=1" in lines
        self.status = lines[-1]


class Store:
    """Writers that answer, or do not."""

    def __init__(self) -> None:
        self.asked = 0
        self.stuck = False
        self.broken = False

    async def answered(self) -> None:
        self.asked += 1
        if self.broken:
            raise ZeroDivisionError
        if self.stuck:
            await asyncio.Event().wait()


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not look():
            await asyncio.sleep(0.005)


async def test_it_is_fed_while_the_writers_answer() -> None:
    heard, store = Heard(0.03), Store()
    async with Watchdog(heard, store.answered, lambda: False, lambda: "ready; 3 waiting"):
        await until(lambda: heard.fed >= 3)
    assert heard.status == "STATUS=ready; 3 waiting"
    assert store.asked >= 3


@pytest.mark.parametrize("how", ["stuck", "broken"])
async def test_it_starves_when_a_writer_does_not(how: str) -> None:
    heard, store = Heard(0.03), Store()
    setattr(store, how, True)
    with capture_logs():
        async with Watchdog(heard, store.answered, lambda: False, str):
            await until(lambda: store.asked >= 3)
    assert heard.fed == 0


async def test_a_writer_that_copies_a_file_is_alive() -> None:
    heard, store = Heard(0.03), Store()
    store.stuck = True
    async with Watchdog(heard, store.answered, lambda: True, str):
        await until(lambda: heard.fed >= 2)


async def test_where_nobody_wants_to_know_nothing_is_asked() -> None:
    store = Store()
    async with Watchdog(Heard(0), store.answered, lambda: False, str):
        await asyncio.sleep(0)
    assert store.asked == 0
