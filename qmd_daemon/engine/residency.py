"""Which models stay in memory, and which go. Pure: numbers in, roles out; no clock, no locks, no library.

A model stays for `keep_alive_s` after its last use. Where the next one does not fit under the ceiling, those go
first that were used longest ago; one that is at work goes last, when it is done.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from qmd_daemon.engine.model import Place


class Held(NamedTuple):
    """A model in memory. `busy`: how many requests it has."""

    role: Place
    size_bytes: int
    used_at: float
    until: float
    busy: int = 0


_SECONDS = {"s": 1, "m": 60, "h": 3600}


def seconds(keep_alive: float | str) -> float:
    """Read a keep-alive as a request writes it: seconds, "90", "30s", "5m", "2h"; below 0 for ever."""
    if isinstance(keep_alive, str) and keep_alive[-1] in _SECONDS:
        return float(keep_alive[:-1]) * _SECONDS[keep_alive[-1]]
    return float(keep_alive)


def until(now: float, keep_alive_s: float) -> float:
    """When a model that was used now may go; never, for less than 0."""
    return math.inf if keep_alive_s < 0 else now + keep_alive_s


def expired(held: Iterable[Held], now: float) -> list[Place]:
    """The models whose time is over."""
    return [one.role for one in held if not one.busy and one.until <= now]


def excess(used_bytes: int, needed_bytes: int, ceiling_bytes: int) -> int:
    """By how much it would be over the ceiling; 0 when it fits, or when there is none (0)."""
    return max(0, used_bytes + needed_bytes - ceiling_bytes) if ceiling_bytes else 0


def victims(held: Iterable[Held], excess_bytes: int) -> list[Place]:
    """The models to take down to free so much, first to last, and no more than needed; all, when that is too few."""
    chosen: list[Place] = []
    for one in sorted(held, key=lambda one: (one.busy > 0, one.used_at)):
        if excess_bytes <= 0:
            break
        chosen.append(one.role)
        excess_bytes -= one.size_bytes
    return chosen


def ceiling(configured_bytes: int, used_bytes: int, free_bytes: int) -> int:
    """The ceiling of a card: what is configured, or what there is, if that is less.

    `used_bytes` is what we take already, `free_bytes` what nobody does (0: unknown).
    """
    there = used_bytes + free_bytes if free_bytes else configured_bytes
    return min(configured_bytes, there) if configured_bytes else there
