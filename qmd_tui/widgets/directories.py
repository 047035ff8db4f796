"""Completes the path of a directory as a shell does."""

from __future__ import annotations

import asyncio
import os

from textual.suggester import Suggester

from qmd_tui.output import safe

_MOST_ENTRIES = 10_000


class Directories(Suggester):
    """Suggests the first directory below what is typed; hidden ones only where a dot is typed."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        return await asyncio.to_thread(completed, value)


def completed(typed: str) -> str | None:
    head, _, start = typed.rpartition("/")
    if not typed.startswith(("/", "~")):
        return None
    directory = os.path.expanduser(head or "/") if head != "~" else os.path.expanduser("~")
    try:
        with os.scandir(directory) as entries:
            names = [entry.name for _, entry in zip(range(_MOST_ENTRIES), entries, strict=False) if entry.is_dir()]
    except OSError:
        return None
    fitting = sorted(
        name
        for name in names
        if name.startswith(start) and name != start and safe.line(name) == name and not (name[0] == "." and not start)
    )
    return f"{head}/{fitting[0]}" if fitting else None
