"""What somebody who fetches by hand sees: a bar on a terminal, elsewhere a line for each model."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Self, TextIO

from qmd_daemon.weights.report import AnyLine, Failed, Finished, Moved, Started, Tally

_BAR = 24
_ERASE = "\r\x1b[K"


class Console:
    """Shows lines. An error's words go to the same stream."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._tally = Tally()
        self._phase = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._erase()

    def tell(self, line: AnyLine) -> None:
        self._tally.add(line)
        match line:
            case Finished():
                verb = "is there" if line.state == "present" else f"fetched from {line.source}"
                self._say(f"{line.model}: {verb} ({_megabytes(line.size_bytes)})")
            case Failed():
                self._say(f"qmd: {line.message}")
                if line.hint:
                    self._say(line.hint)
            case Started():
                pass
            case _ if self._terminal:
                self._stream.write(f"{_ERASE}{self._bar()}")
                self._stream.flush()
            case _ if self._tally.phase != self._phase:
                self._phase = self._tally.phase
                size = f" ({_megabytes(sum(f.total_bytes for f in line.files))})" if isinstance(line, Moved) else ""
                self._say(f"{self._phase}{size}")

    def _bar(self) -> str:
        done, total = self._tally.done_bytes, self._tally.total_bytes
        full = _BAR * min(done, total) // total if total else 0
        return f"{self._tally.phase} {'█' * full}{'░' * (_BAR - full)} {_megabytes(done)} of {_megabytes(total)}"

    def _say(self, text: str) -> None:
        self._erase()
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def _erase(self) -> None:
        if self._terminal:
            self._stream.write(_ERASE)


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:,.0f} kB"
