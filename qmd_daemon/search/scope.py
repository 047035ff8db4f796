"""Where one search looks, and on whose behalf."""

from __future__ import annotations

from dataclasses import dataclass

from qmd_daemon.engine.model import Priority
from qmd_daemon.store.filters import Filter
from qmd_daemon.store.index import Index


@dataclass(frozen=True)
class Scope:
    """`allowed` are the documents that may be found, ascending; None when only collections restrict them."""

    index: Index
    filter: Filter
    allowed: tuple[int, ...] | None
    priority: Priority
    deadline_s: float | None = None
