"""The real program in a pseudo-terminal, against a real daemon: what a person types, and what they see."""

from __future__ import annotations

import os
import re
import signal
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

from ipc.launch import find_daemon
from ipc.paths import Paths
from ipc.protocol import CollectionAdd
from tests.integration import corpus

QMD = os.path.join(sysconfig.get_path("scripts"), "qmd")
# The terminal's modes before and after are the shell's to tell, and the exit code.
SCRIPT = f"stty -a; echo BEGIN; '{QMD}'; echo \"EXIT=$?\"; stty -a; echo END"
WIDE, SMALL = (120, 40), (80, 24)
UP, DOWN, ESCAPE, CTRL_S, F1 = "\x1b[A", "\x1b[B", "\x1b", "\x13", "\x1bOP"
# Escape sequences that pyte does not know, and would print: keyboard protocols.
UNKNOWN = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]")
# Textual's way to say what the mouse pointer looks like: the one sequence with a BEL in it.
POINTER = re.compile(rb"\x1b\]22;[a-z]*\x07")
HOSTILE = "zebra \x1b]0;pwned\x07 \x9b31mred \x1b[2J \x1b[6n gone \u202e back\n"
NOTES = {
    "gpu.md": "# GPU显存监控\n\nfirst line\n\n写一份最小的显存监控方案。\n\n每秒读取一次显存。\n",
    "drivers.md": "# 驱动\n\n显卡驱动升级之后, 显存泄漏了两次, 监控报警。\n",
    "bread.md": "# Bread\n\nFlour and water.\n",
    # So much text around it, or it would be taken for a binary file.
    "evil\x1b]0;pwned\x07\x1b[31m.md": f"# Zebra\n\n{HOSTILE}\n{'And much harmless text. ' * 20}\n",
}


class Terminal:
    """A terminal of pyte's, and the program in it."""

    def __init__(self, size: tuple[int, int], env: dict[str, str]) -> None:
        columns, rows = size
        self.written = b""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._child = pexpect.spawn("/bin/sh", ["-c", SCRIPT], env=env, dimensions=(rows, columns), timeout=None)
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

    def row(self, text: str) -> int:
        """The number of the first line with this text."""
        return next(number for number, line in enumerate(self._screen.display) if text in line)

    def styles(self, character: str) -> set[tuple[Any, ...]]:
        """How a character is drawn, wherever it stands."""
        cells = [cell for row in self._screen.buffer.values() for cell in row.values() if cell.data == character]
        return {(cell.fg, cell.bg, cell.bold, cell.reverse, cell.underscore) for cell in cells}

    def close(self) -> None:
        self._child.close(force=True)


@pytest.fixture
def indexed(home: Paths, start_daemon: Callable[..., Any], tmp_path: Path) -> Paths:
    """An index of the notes; no daemon runs."""
    for name, text in NOTES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    running = start_daemon()
    running.wait_ready()
    with running.connect() as client:
        assert corpus.finish(client, CollectionAdd(path=str(tmp_path), name="notes")).counts["new"] == len(NOTES)
    assert running.terminate() == 0
    return home


@pytest.fixture
def terminal(indexed: Paths) -> Iterator[Terminal]:
    ours = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8", "EDITOR": "true"}
    unwanted = ("NO_COLOR", "COLORFGBG", "QMD_THEME", "VISUAL", "TEXTUAL", "COLUMNS", "LINES")
    env = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)} | ours
    running = Terminal(WIDE, env)
    yield running
    running.close()


def pid_of(paths: Paths) -> int:
    found = find_daemon(paths)
    assert found is not None
    return found.pid


def test_a_session(terminal: Terminal, indexed: Paths, wait_until: Any) -> None:
    def sees(look: Callable[[str], object], what: str) -> None:
        try:
            wait_until(lambda: look(terminal.text()), what)
        except pytest.fail.Exception as failure:
            pytest.fail(f"{failure}. The screen:\n{terminal.text()}")

    def shows(*texts: str) -> None:
        sees(lambda screen: all(text in screen for text in texts), f"{texts} on the screen")

    # There is no daemon: it says that it starts one.
    shows("Starting the daemon")
    shows("Type to search 4 documents", "ready")

    # Key by key, as an input method gives them.
    for key in "显存监控":
        terminal.type(key)
    shows("显存监控", "4 results", "fused", "notes/gpu.md", "notes/drivers.md")
    shows("写一份最小的显存监控方案")  # in the preview
    assert len(terminal.styles("显")) > len(terminal.styles("驱")), "what matched is not highlighted"

    terminal.type(DOWN)
    shows("notes/drivers.md · ")
    terminal.type(UP)
    shows("notes/gpu.md · ")

    for mode in ("search", "vsearch", "query"):
        terminal.type(CTRL_S)
        sees(re.compile(rf"\s*{mode}\s").match, f"the mode {mode}")
    shows("fused")

    for size in (SMALL, WIDE):
        terminal.resize(size)
        sees(lambda screen: "● ready" in screen.splitlines()[-1], "the status bar in the last line")
        shows("显存监控", " results", "notes/gpu.md")
        terminal.type(F1)
        shows("─ Keys ─", "Previous result")
        terminal.type(F1)
        sees(lambda screen: "─ Keys ─" not in screen, "the end of the help")
        shows("显存监控", " results", "notes/gpu.md")

    # The daemon dies: it says so, starts it again, and the question is still there.
    killed = pid_of(indexed)
    os.kill(killed, signal.SIGKILL)
    sees(re.compile("daemon lost|waiting for|connecting").search, "that the daemon is gone")
    shows("显存监控", " results", "notes/gpu.md", "● ready")
    assert pid_of(indexed) != killed

    # What a file holds stays in the file.
    terminal.type(ESCAPE)
    shows("Type to search")
    for key in "zebra":
        terminal.type(key)
    shows("results", "pwned")
    drawn = POINTER.sub(b"", terminal.written)
    for sequence in (b"\x1b]0;", b"\x07", b"\xc2\x9b", b"\x1b[6n", "\u202e".encode()):
        assert sequence not in drawn

    terminal.type(ESCAPE)
    shows("Type to search")
    terminal.type(ESCAPE)
    sees(lambda _: terminal.ended, "the end of the program")
    left(terminal.written)


def left(written: bytes) -> None:
    """The exit code is 0, and the terminal as it was."""
    before, _, rest = written.partition(b"BEGIN\r\n")
    screen, _, after = rest.partition(b"EXIT=0\r\n")
    assert after.partition(b"END")[0] == before
    for mode in (b"?1049", b"?1000", b"?1003", b"?1006", b"?2004"):
        assert screen.rfind(b"\x1b[" + mode + b"l") >= screen.rfind(b"\x1b[" + mode + b"h"), mode
    assert screen.rfind(b"\x1b[?25h") > screen.rfind(b"\x1b[?25l")
