"""The two ways out: results go to stdout, everything else a person should know to stderr."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

from ipc.errors import QmdError
from qmd_tui.output import safe


def prepare() -> None:
    """A terminal that cannot show Chinese gets `\\u4e2d` for it, not a traceback; a program always gets UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            read_by_program = stream is sys.stdout and not stream.isatty()
            stream.reconfigure(encoding="utf-8" if read_by_program else None, errors="backslashreplace")


def result(text: str) -> None:
    """Write a result, already made safe, and a line feed."""
    sys.stdout.write(f"{text}\n")


def say(text: str) -> None:
    """Write one line to the person, `qmd: …`."""
    sys.stderr.write(f"qmd: {safe.block(text)}\n")
    sys.stderr.flush()


def heading(text: str) -> None:
    """Write a line to the person that announces results on stdout, in order with them where both are one terminal."""
    sys.stdout.flush()
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def error(problem: QmdError) -> None:
    """Write an error as its sentence and, on a line of its own, what to do about it."""
    say(problem.message)
    if problem.hint:
        sys.stderr.write(f"{safe.block(problem.hint)}\n")
        sys.stderr.flush()


def takes_color(stream: TextIO) -> bool:
    """Whether escape sequences belong in this stream: a terminal, and nobody has asked for none (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def close() -> None:
    """Flush both. Raises BrokenPipeError when the reader of stdout has gone."""
    sys.stdout.flush()
    sys.stderr.flush()


def abandon() -> None:
    """Nobody reads stdout any more: let the interpreter's last flush go nowhere instead of failing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
