"""The real program in a pseudo-terminal, and its screen as a test reads it."""

from __future__ import annotations

import os
import re
import sysconfig
from collections.abc import Callable
from typing import Any

import pexpect
import pyte
import pytest

QMD = os.path.join(sysconfig.get_path("scripts"), "qmd")
# The terminal's modes before and after are the shell's to tell, and the exit code.
SCRIPT = 'stty -a; echo BEGIN; {command}; echo "EXIT=$?"; stty -a; echo END'
WIDE, SMALL = (120, 40), (80, 24)
UP, DOWN, ESCAPE, CTRL_S, F1, TAB, ALT_ENTER = "\x1b[A", "\x1b[B", "\x1b", "\x13", "\x1bOP", "\t", "\x1b\r"
# Escape sequences that pyte does not know, and would print: keyboard protocols.
UNKNOWN = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]")
_UNWANTED = ("NO_COLOR", "COLORFGBG", "QMD_THEME", "QMD_LANGUAGE", "VISUAL", "TEXTUAL", "COLUMNS", "LINES")
_OURS = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8", "EDITOR": "true"}


def environment(**more: str) -> dict[str, str]:
    """Neither the colours nor the language nor the editor of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_UNWANTED)} | _OURS | more


class Terminal:
    """A terminal of pyte's, and the program in it."""

    def __init__(self, size: tuple[int, int], env: dict[str, str], command: str = f"'{QMD}'") -> None:
        """`command` is for the shell."""
        columns, rows = size
        script = SCRIPT.format(command=command)
        self.written = b""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._child = pexpect.spawn("/bin/sh", ["-c", script], env=env, dimensions=(rows, columns), timeout=None)
        self._child.delaybeforesend = None
        self.ended = False

    def type(self, keys: str) -> None:
        self._child.send(keys.encode())

    def resize(self, size: tuple[int, int]) -> None:
        """As terminals do with the alternate screen: what does not fit is cut off at the right and below.

        pyte on its own drops lines from the top.
        """
        columns, rows = size
        for row in [row for row in self._screen.buffer if row >= rows]:
            del self._screen.buffer[row]
        self._screen.lines = min(self._screen.lines, rows)
        self._screen.resize(rows, columns)
        self._child.setwinsize(rows, columns)

    def text(self) -> str:
        """The screen as it is by now, line by line."""
        try:
            while part := self._child.read_nonblocking(65536, 0.02):
                self.written += part
                self._stream.feed(UNKNOWN.sub(b"", part))
        except pexpect.TIMEOUT:
            pass
        except pexpect.EOF:
            self.ended = True
        return "\n".join(self._screen.display)

    def sees(self, look: Callable[[str], object], what: str, wait_until: Any) -> None:
        """Wait until the screen looks like that. Fails the test with what is on it instead."""
        try:
            wait_until(lambda: look(self.text()), what)
        except pytest.fail.Exception as failure:
            pytest.fail(f"{failure}. The screen:\n{self.text()}")

    def shows(self, wait_until: Any, *texts: str) -> None:
        self.sees(lambda screen: all(text in screen for text in texts), f"{texts} on the screen", wait_until)

    def row(self, text: str) -> int:
        """The number of the first line with this text."""
        return next(number for number, line in enumerate(self._screen.display) if text in line)

    def styles(self, character: str) -> set[tuple[Any, ...]]:
        """How a character is drawn, wherever it stands."""
        cells = [cell for row in self._screen.buffer.values() for cell in row.values() if cell.data == character]
        return {(cell.fg, cell.bg, cell.bold, cell.reverse, cell.underscore) for cell in cells}

    def close(self) -> None:
        self._child.close(force=True)


def left(written: bytes) -> None:
    """The exit code is 0, and the terminal as it was."""
    before, _, rest = written.partition(b"BEGIN\r\n")
    screen, _, after = rest.partition(b"EXIT=0\r\n")
    assert after.partition(b"END")[0] == before
    for mode in (b"?1049", b"?1000", b"?1003", b"?1006", b"?2004"):
        assert screen.rfind(b"\x1b[" + mode + b"l") >= screen.rfind(b"\x1b[" + mode + b"h"), mode
    assert screen.rfind(b"\x1b[?25h") > screen.rfind(b"\x1b[?25l")
