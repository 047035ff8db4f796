"""A day of the screen that people keep open, in a real tmux: typed, resized, its daemon killed, and left."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ipc.launch import find_daemon
from ipc.paths import Paths
from ipc.protocol import CollectionAdd
from tests.integration import corpus
from tests.tui.terminal import QMD, environment
from tests.tui.tmux import Tmux

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
NOTES = {
    "gpu.md": "# GPU显存监控\n\n写一份最小的显存监控方案。\n",
    "bread.md": "# Bread\n\nFlour and water.\n",
}


@pytest.fixture
def tmux(home: Paths, start_daemon: Callable[..., Any], tmp_path: Path) -> Iterator[Tmux]:
    """The program beside a daemon that knows the notes. Its daemon is the test's child until the test kills it."""
    for name, text in NOTES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    running = start_daemon()
    running.wait_ready()
    with running.connect() as client:
        assert corpus.finish(client, CollectionAdd(path=str(tmp_path), name="notes")).counts["new"] == len(NOTES)
    terminal = Tmux(os.path.join(home.state, "tmux"), QMD, environment(TERM="screen-256color"), (100, 30))
    yield terminal
    terminal.close()


def test_a_day_in_tmux(tmux: Tmux, home: Paths, wait_until: Any) -> None:
    tmux.shows(wait_until, "Type to search 2 documents", "● ready")
    tmux.type("显存监控")
    tmux.shows(wait_until, "显存监控", "fused", "notes/gpu.md", "写一份最小的显存监控方案")

    tmux.resize(60, 16)
    tmux.sees(lambda screen: "● ready" in screen.splitlines()[15], "the status bar in the last of 16 lines", wait_until)
    tmux.shows(wait_until, "显存监控", "notes/gpu.md")
    tmux.resize(100, 30)
    tmux.sees(lambda screen: "● ready" in screen.splitlines()[29], "the status bar in the last of 30 lines", wait_until)

    killed = find_daemon(home)
    assert killed is not None
    os.kill(killed.pid, signal.SIGKILL)
    tmux.sees(lambda screen: "● ready" not in screen, "that the daemon is gone", wait_until)
    tmux.shows(wait_until, "显存监控", "notes/gpu.md")
    tmux.shows(wait_until, "● ready", "fused")
    again = find_daemon(home)
    assert again is not None
    assert again.pid != killed.pid
    tmux.type("方案")
    tmux.shows(wait_until, "显存监控方案", "fused", "notes/gpu.md")

    tmux.press("Escape")
    tmux.shows(wait_until, "Type to search")
    tmux.press("Escape")
    wait_until(lambda: tmux.ended, "the end of the program")
