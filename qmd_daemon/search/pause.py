"""Searching at every key: words at once, and the models only once the typing has paused."""

from __future__ import annotations

import asyncio
import time

# The words' answer is for the first look: a page of it, since each row costs a snippet.
_FIRST_ROWS = 12


class Pause:
    """Ends so many milliseconds from now. Cancelled within it, a search has cost no model anything."""

    def __init__(self, ms: int) -> None:
        self.ends = time.perf_counter() + ms / 1000
        # So many rows are shown before it is over; None where there is none to wait for.
        self.rows = _FIRST_ROWS if ms else None

    async def over(self) -> None:
        """Wait for its end."""
        left_s = self.ends - time.perf_counter()
        if left_s > 0:
            await asyncio.sleep(left_s)
