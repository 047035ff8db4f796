"""The course of one search: which stages ran and how long they took, which were left out and why, what is noted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from ipc.errors import QmdError
from ipc.protocol import Stage
from qmd_daemon.search.costs import Budget, Costs
from qmd_daemon.search.meaning import Unfit
from qmd_daemon.search.pause import Pause

T = TypeVar("T")


class Course:
    """Keeps the stages in the order they ended, and each within what is left of the budget."""

    def __init__(self, index: str, costs: Costs, budget_ms: int | None, rows: int, pause: Pause) -> None:
        """`rows`: how many hits will be shown, for which time is kept. The budget counts from the pause's end on."""
        self.stages: list[Stage] = []
        self.notes: list[str] = []
        self._index = index
        self._costs = costs
        self._budget = Budget(budget_ms, costs, pause.ends)
        self._budget.reserve(self._cost("show"), rows)

    def ran(self, name: str, started: float, count: int, units: int = 1) -> None:
        """Note a stage that began at `started` (perf_counter) and gave `count` results."""
        ms = (time.perf_counter() - started) * 1000
        self._costs.note(self._cost(name), ms, units)
        self.stages.append(msgspec.convert({"name": name, "ran": True, "ms": round(ms, 2), "count": count}, Stage))

    def showed(self, started: float, rows: int) -> None:
        """Note what making the rows of an answer took."""
        if rows:
            self._costs.note(self._cost("show"), (time.perf_counter() - started) * 1000, rows)

    def skipped(self, name: str, reason: str, *, tell: bool, hint: str = "") -> None:
        """Note a stage that did not run; `tell` the person, too."""
        self.stages.append(msgspec.convert({"name": name, "ran": False, "reason": reason}, Stage))
        if tell:
            self.notes.append(f"Without {name}: {reason.rstrip('.')}. {hint}".strip())

    def fits(self, name: str, units: int) -> bool:
        """Whether a stage will be done within the budget, as far as is known."""
        return self._budget.fits(self._cost(name), units)

    async def within(self, name: str, work: Callable[[], Awaitable[T]], units: int = 1) -> T | None:
        """Do a stage's work if its usual cost is within the budget, and stop it where the budget ends.

        None, and a stage that says why, when it was left out, took too long or failed.
        """
        over = f"over the budget of {self._budget.limit_ms} ms"
        if not self.fits(name, units):
            self._costs.left_out(self._cost(name))
            self.skipped(name, over, tell=True)
            return None
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._budget.timeout_s()):
                return await work()
        except TimeoutError:
            self._costs.gave_up(self._cost(name), (time.perf_counter() - started) * 1000, units)
            self.skipped(name, over, tell=True)
        except Unfit as reason:
            self.skipped(name, str(reason), tell=False)
        except QmdError as error:
            self.skipped(name, error.message, tell=True, hint=error.hint)
        return None

    def _cost(self, stage: str) -> str:
        return f"{self._index}/{stage}"
