"""What the process that fetches says while it does: one JSON object a line, for whoever started it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import msgspec
from msgspec import Struct

# Progress is told at most so often.
_TELL_S = 0.1


class Line(Struct, frozen=True, kw_only=True, tag_field="event"):
    """What every line has: the model that it is about."""

    model: str = ""


class File(Struct, frozen=True, kw_only=True):
    name: str
    done_bytes: int
    total_bytes: int


class Started(Line, frozen=True, kw_only=True, tag="started"):
    """What is to be fetched, and about how many bytes each model has."""

    expected: dict[str, int]


class Moved(Line, frozen=True, kw_only=True, tag="progress"):
    """How far a model is, by file."""

    repository: str
    files: list[File]


class Step(Line, frozen=True, kw_only=True, tag="step"):
    """What it does while no bytes come, in words."""

    phase: str


class Finished(Line, frozen=True, kw_only=True, tag="finished"):
    """A model is there: fetched now, or `present` before."""

    state: Literal["fetched", "present"]
    size_bytes: int
    source: str = ""


class Failed(Line, frozen=True, kw_only=True, tag="failed"):
    """The last line of a run that went wrong."""

    code: str
    message: str
    hint: str = ""


AnyLine = Started | Moved | Step | Finished | Failed
Tell = Callable[[AnyLine], None]
decode = msgspec.json.Decoder(AnyLine).decode


class Meter:
    """Counts the bytes of one model's files, from several threads, and tells ten times a second at most."""

    def __init__(self, model: str, repository: str, files: Iterable[File], tell: Tell) -> None:
        self._model = model
        self._repository = repository
        self._files = {file.name: [file.done_bytes, file.total_bytes] for file in files}
        self._tell = tell
        self._lock = threading.Lock()
        self._say()

    def moved(self, name: str, size_bytes: int) -> None:
        """So many bytes more of a file are there; less than nothing when it starts anew."""
        with self._lock:
            self._files[name][0] += size_bytes
            if time.monotonic() >= self._told_at + _TELL_S:
                self._say()

    def finish(self, sizes: Mapping[str, int]) -> None:
        """All files are there, and have these sizes."""
        with self._lock:
            self._files = {name: [size, size] for name, size in sizes.items()}
            self._say()

    def _say(self) -> None:
        self._told_at = time.monotonic()
        files = [
            File(name=name, done_bytes=done, total_bytes=max(done, total))
            for name, (done, total) in self._files.items()
        ]
        self._tell(Moved(model=self._model, repository=self._repository, files=files))


class Tally:
    """The whole of a run, from its lines: what it does now, and how many bytes of how many are there."""

    def __init__(self) -> None:
        self.phase = ""
        self.files: list[File] = []
        self._bytes: dict[str, tuple[int, int]] = {}

    @property
    def done_bytes(self) -> int:
        return sum(done for done, _ in self._bytes.values())

    @property
    def total_bytes(self) -> int:
        return sum(total for _, total in self._bytes.values())

    def add(self, line: AnyLine) -> None:
        match line:
            case Started():
                self._bytes = {model: (0, size) for model, size in line.expected.items()}
            case Moved():
                self.phase, self.files = f"fetching {line.model}", line.files
                done, total = (sum(f.done_bytes for f in line.files), sum(f.total_bytes for f in line.files))
                self._bytes[line.model] = (done, total)
            case Step():
                self.phase, self.files = line.phase, []
            case Finished():
                self.phase, self.files = f"{line.model} is there", []
                self._bytes[line.model] = (line.size_bytes, line.size_bytes)
            case Failed():
                pass
