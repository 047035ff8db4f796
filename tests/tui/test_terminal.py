"""The real program in a pseudo-terminal, against a real daemon: what a person types, and what they see."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ipc.launch import find_daemon
from ipc.paths import Paths
from ipc.protocol import CollectionAdd
from tests.integration import corpus
from tests.tui.terminal import CTRL_S, DOWN, ESCAPE, F1, SMALL, UP, WIDE, Terminal, environment, left

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
    running = Terminal(WIDE, environment())
    yield running
    running.close()


def pid_of(paths: Paths) -> int:
    found = find_daemon(paths)
    assert found is not None
    return found.pid


def test_a_session(terminal: Terminal, indexed: Paths, wait_until: Any) -> None:
    def sees(look: Callable[[str], object], what: str) -> None:
        terminal.sees(look, what, wait_until)

    def shows(*texts: str) -> None:
        terminal.shows(wait_until, *texts)

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
