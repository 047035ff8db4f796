"""What each stage costs on this machine, learned from how long it took, and how much of a budget is left."""

from __future__ import annotations

import time

# How fast old measurements are forgotten, and how far above the usual a stage is expected to be: with three mean
# deviations, about one in twenty takes longer (the retransmission timer of TCP reckons the same way, RFC 6298).
_FORGET = 0.2
_DEVIATIONS = 3.0


class Costs:
    """Running estimates in milliseconds, by a name such as `vector`, for one unit of work."""

    def __init__(self) -> None:
        self._usual: dict[str, tuple[float, float]] = {}

    def note(self, stage: str, ms: float, units: int = 1) -> None:
        """Learn from a stage that has run."""
        one = ms / max(units, 1)
        if stage not in self._usual:
            self._usual[stage] = one, one / 2
            return
        mean, deviation = self._usual[stage]
        self._usual[stage] = (
            mean + _FORGET * (one - mean),
            deviation + _FORGET * (abs(one - mean) - deviation),
        )

    def expected_ms(self, stage: str, units: int = 1) -> float | None:
        """What it will hardly exceed; None for what has never run."""
        if stage not in self._usual:
            return None
        mean, deviation = self._usual[stage]
        return (mean + _DEVIATIONS * deviation) * max(units, 1)


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
