"""How many requests a grant may make in a time: a bucket for each, that fills steadily. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable

from ipc.errors import QmdError
from qmd_daemon.grants import Grant

# As much as a grant may save up: what it may ask in one second, and at least one request.
_SAVED_S = 1.0


class Rates:
    """A bucket for each grant that has a rate."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # id -> how much is in it, and when that was

    def take(self, grant: Grant) -> None:
        """Count a request. Raises QmdError("rate_limited") when that is one too many."""
        if not grant.rate:
            return
        most = max(1.0, grant.rate * _SAVED_S)
        now = self._clock()
        left, at = self._buckets.get(grant.id, (most, now))
        left = min(most, left + (now - at) * grant.rate)
        if left < 1.0:
            self._buckets[grant.id] = (left, now)
            wait_s = (1.0 - left) / grant.rate
            raise QmdError(
                "rate_limited", f"More requests than this {grant.kind} may make.", f"Again in {wait_s:.1f} s."
            )
        self._buckets[grant.id] = (left - 1.0, now)
