"""What each stage costs on this machine, learned from how long it took, and how much of a budget is left."""

from __future__ import annotations

import time
from typing import NamedTuple

# How fast old measurements are forgotten, and how far above the usual a stage is expected to be: with three mean
# deviations, about one in twenty takes longer (the retransmission timer of TCP reckons the same way, RFC 6298).
_FORGET = 0.2
_DEVIATIONS = 3.0
# What is left of an estimate each time that its stage is left out for it, so that it is tried again some day; and of
# one that is from a single run, which may have waited for a model to load.
_AGED = 0.9
_AGED_FIRST = 0.5


class _Usual(NamedTuple):
    """Milliseconds, and after how many runs."""

    mean: float
    deviation: float
    runs: int = 1


class Costs:
    """Running estimates in milliseconds, by a name such as `vector`, for one unit of work."""

    def __init__(self) -> None:
        self._usual: dict[str, _Usual] = {}

    def note(self, stage: str, ms: float, units: int = 1) -> None:
        """Learn from a stage that has run. The second time tells more than the first, and takes its place."""
        one = ms / max(units, 1)
        usual = self._usual.get(stage)
        if usual is None or usual.runs == 1:
            self._usual[stage] = _Usual(one, one / 2, 1 if usual is None else 2)
            return
        self._usual[stage] = _Usual(
            usual.mean + _FORGET * (one - usual.mean),
            usual.deviation + _FORGET * (abs(one - usual.mean) - usual.deviation),
            usual.runs + 1,
        )

    def gave_up(self, stage: str, ms: float, units: int = 1) -> None:
        """Learn from a stage that was stopped after so long: it is expected to take at least twice as long."""
        one = 2 * ms / max(units, 1)
        usual = self._usual.get(stage)
        if usual is None or usual.mean < one:
            self._usual[stage] = _Usual(one, one / 2, usual.runs + 1 if usual else 1)

    def left_out(self, stage: str) -> None:
        """What is expected of a stage that is not run is less certain each time."""
        if usual := self._usual.get(stage):
            kept = _AGED_FIRST if usual.runs == 1 else _AGED
            self._usual[stage] = usual._replace(mean=kept * usual.mean, deviation=kept * usual.deviation)

    def expected_ms(self, stage: str, units: int = 1) -> float | None:
        """What it will hardly exceed; None for what has never run."""
        if stage not in self._usual:
            return None
        usual = self._usual[stage]
        return (usual.mean + _DEVIATIONS * usual.deviation) * max(units, 1)


class Budget:
    """The time that one search may take; without a limit, everything fits."""

    def __init__(self, budget_ms: int | None, costs: Costs, starts: float | None = None) -> None:
        """`starts`: from when on it counts (perf_counter); now, where it is not given."""
        self._starts = time.perf_counter() if starts is None else starts
        self._costs = costs
        self.limit_ms = budget_ms
        self._reserved_ms = 0.0

    def reserve(self, stage: str, units: int) -> None:
        """Keep time for what must still come at the end."""
        self._reserved_ms = self._costs.expected_ms(stage, units) or 0.0

    def left_ms(self) -> float:
        """Infinite without a limit, else what is left for stages, never below 0."""
        if self.limit_ms is None:
            return float("inf")
        passed = max(0.0, time.perf_counter() - self._starts) * 1000
        return max(0.0, self.limit_ms - passed - self._reserved_ms)

    def fits(self, stage: str, units: int = 1) -> bool:
        """Whether a stage will be done in time, as far as is known; one that never ran is tried if anything is left."""
        return (self._costs.expected_ms(stage, units) or 0.0) < self.left_ms()

    def timeout_s(self) -> float | None:
        """For `asyncio.timeout`."""
        left = self.left_ms()
        return None if left == float("inf") else left / 1000
