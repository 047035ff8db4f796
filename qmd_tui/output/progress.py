"""One line on stderr that is written over and over while a job runs. Nothing where stderr is no terminal."""

from __future__ import annotations

import os
import unicodedata
from types import TracebackType
from typing import Self, TextIO

from ipc.protocol import Job
from qmd_tui.output import safe

_BAR = 24
_COLUMNS = 80  # of a terminal that does not say
_ERASE = "\r\x1b[K"
# OSC 9;4: terminals that know it show the progress in their tab or the task bar, the others ignore it.
_TAB = "\x1b]9;4;{state};{percent}\x07"


class Progress:
    """Shows the states of a job; leaves no trace."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = stream.isatty() and os.environ.get("TERM") != "dumb"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write(_ERASE + _TAB.format(state=0, percent=0))

    def show(self, job: Job) -> None:
        if self._shown:
            columns = os.get_terminal_size(self._stream.fileno()).columns or _COLUMNS
            known, percent = bool(job.total), 100 * min(job.done, job.total) // (job.total or 1)
            tab = _TAB.format(state=1 if known else 3, percent=percent)  # 3: under way, nobody knows how far
            self._write(_ERASE + tab + clip(describe(job), columns - 1))

    def _write(self, text: str) -> None:
        if self._shown:
            self._stream.write(text)
            self._stream.flush()


def describe(job: Job) -> str:
    """`Indexing ████░░░░ 12/30 notes/gpu.md`; without the bar while nobody knows how much there is."""
    what = safe.line(f"{job.phase or job.state} ").capitalize()
    if not job.total:
        return f"{what}{safe.line(job.current)}"
    full = _BAR * min(job.done, job.total) // job.total
    done = f"{job.done}/{job.total}" if job.unit != "bytes" else f"{megabytes(job.done)} of {megabytes(job.total)}"
    return f"{what}{'█' * full}{'░' * (_BAR - full)} {done} {safe.line(job.current)}"


def megabytes(size_bytes: int) -> str:
    """`1,192 MB`; less than one in kB."""
    return f"{size_bytes / 1e6:,.0f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:,.0f} kB"


def clip(text: str, columns: int) -> str:
    """As much of `text` as fits into so many columns; a wide character takes two."""
    for end, character in enumerate(text):
        columns -= 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if columns < 0:
            return text[:end]
    return text
