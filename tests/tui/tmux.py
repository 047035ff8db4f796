"""The real program in a real terminal multiplexer, and its screen as tmux captures it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from typing import Any

import pytest


class Tmux:
    """A tmux server of its own, whose one window runs `command`. Closing it ends all in it."""

    def __init__(self, socket: str, command: str, env: Mapping[str, str], size: tuple[int, int]) -> None:
        self._base = ["tmux", "-u", "-f", "/dev/null", "-S", socket]
        self._env = dict(env)
        columns, rows = size
        self("new-session", "-d", "-x", str(columns), "-y", str(rows), command)

    def __call__(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            [*self._base, *words], env=self._env, capture_output=True, text=True, timeout=30, check=check
        )
        return done.stdout

    def type(self, text: str) -> None:
        self("send-keys", "-l", text)

    def press(self, *keys: str) -> None:
        """By tmux's names: Enter, Escape, C-s, F1."""
        self("send-keys", *keys)

    def resize(self, columns: int, rows: int) -> None:
        self("resize-window", "-x", str(columns), "-y", str(rows))

    def text(self) -> str:
        """The screen, line by line; "" once the program has ended."""
        return self("capture-pane", "-p", check=False)

    @property
    def ended(self) -> bool:
        return not self("list-sessions", check=False)

    def sees(self, look: Callable[[str], object], what: str, wait_until: Any) -> None:
        try:
            wait_until(lambda: look(self.text()), what)
        except pytest.fail.Exception as failure:
            pytest.fail(f"{failure}. The screen:\n{self.text()}")

    def shows(self, wait_until: Any, *texts: str) -> None:
        self.sees(lambda screen: all(text in screen for text in texts), f"{texts} on the screen", wait_until)

    def close(self) -> None:
        self("kill-server", check=False)
