"""What a job tells about itself while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ipc.protocol import JobFile, Skipped

_SKIPPED_NAMED = 100


class Progress:
    """Numbers that only grow within a phase. `changed` is called after each change."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self.phase = ""
        self.done = 0
        self.total = 0
        self.current = ""
        self.counts: dict[str, int] = {}
        self.skipped: list[Skipped] = []
        self.files: list[JobFile] = []
        self.unit: Literal["", "bytes"] = ""
        self._changed = changed

    def begin(self, phase: str, total: int = 0) -> None:
        """A new phase; `total` 0 means that it is not known."""
        self.phase, self.done, self.total, self.current = phase, 0, total, ""
        self._changed()

    def step(self, by: int = 1, current: str = "") -> None:
        self.done += by
        self.total = max(self.total, self.done) if self.total else 0
        self.current = current
        self._changed()

    def stand(self, phase: str, done: int, total: int, files: list[JobFile]) -> None:
        """Bytes instead of steps, as somebody else has counted them."""
        self.unit = "bytes"
        self.phase, self.done, self.total, self.files = phase, done, total, files
        self.current = next((file.name for file in files if file.done < file.total), "")
        self._changed()

    def count(self, name: str, by: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + by

    def skip(self, path: str, reason: str) -> None:
        """A file is left out: all are counted, the first hundred named."""
        self.count("skipped")
        if len(self.skipped) < _SKIPPED_NAMED:
            self.skipped.append(Skipped(path=path, reason=reason))
