"""`qmd top` against a real daemon: on a terminal, where it ends as a person wants it to, and for programs."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

from ipc.protocol import CollectionAdd, Embed
from tests.integration import corpus
from tests.integration.program import QMD

COLUMNS, ROWS = 80, 24


def top(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*QMD, "top", *flags], capture_output=True, text=True, timeout=60, check=False)


class Screen:
    """`qmd top` in a terminal of 80x24."""

    def __init__(self) -> None:
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self.written = b""
        command = list(QMD)
        self.child = pexpect.spawn(command[0], [*command[1:], "top"], dimensions=(ROWS, COLUMNS), timeout=30)

    def lines(self) -> list[str]:
        """What is on it by now."""
        try:
            part = self.child.read_nonblocking(65536, timeout=0.05)
        except (pexpect.TIMEOUT, pexpect.EOF):
            part = b""
        self.written += part
        self._stream.feed(part)
        return list(self._screen.display)

    def shows(self, *words: str) -> bool:
        text = "\n".join(self.lines())
        return all(word in text for word in words)

    def exit_code(self) -> int:
        self.written += self.child.read()
        self.child.wait()
        assert self.child.exitstatus is not None
        return int(self.child.exitstatus)


@pytest.fixture
def screen(daemon: Any) -> Iterator[Screen]:
    found = Screen()
    yield found
    found.child.close(force=True)


def test_without_a_daemon(home: Any) -> None:
    for flags in ((), ("--once", "--json")):
        done = top(*flags)
        assert (done.returncode, done.stdout) == (3, "")
        assert "does not run" in done.stderr


def test_for_programs(daemon: Any) -> None:
    with daemon.connect() as client:
        client.call(Embed(texts=["a"]), timeout_s=60)
    now = json.loads(top("--once", "--json").stdout)
    assert now["daemon"]["pid"] == daemon.process.pid
    assert now["sample"]["requests"] == {"interactive": 1}  # itself
    assert set(now["rates"]) == {"requests", "batches", "pieces", "tokens"}
    assert [model["state"] for model in now["engine"]["models"]] == ["ready", "off", "off"]
    text = top().stdout  # no terminal: once
    assert "\x1b" not in text
    assert f"pid {daemon.process.pid}" in text.splitlines()[0]


def test_lines_of_json_until_nobody_reads(daemon: Any) -> None:
    reading = subprocess.Popen([*QMD, "top", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert reading.stdout is not None
    with reading:
        two = [json.loads(reading.stdout.readline()) for _ in range(2)]
        assert two[0]["at"] < two[1]["at"]
        reading.send_signal(signal.SIGINT)
        _, errors = reading.communicate(timeout=30)
    assert (reading.returncode, errors) == (130, "")


def test_it_is_alive_and_ctrl_c_leaves(
    screen: Screen, daemon: Any, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    wait_until(lambda: screen.shows(f"pid {daemon.process.pid}", "worker off", "embedding  fake"), "the first screen")
    corpus.write(tmp_path, 30)
    with daemon.connect() as client:
        job = corpus.finish(client, CollectionAdd(path=str(tmp_path), name="notes"))
        wait_until(lambda: screen.shows("worker ready", job.id, "done"), "the job")

        def computing() -> bool:
            client.call(Embed(texts=["a few words"]))
            return screen.shows("tokens/s in batches of")

        wait_until(computing, "what is computed")
    assert len(screen.lines()) == ROWS
    screen.child.sendintr()
    assert screen.exit_code() == 0
    assert screen.written.startswith(b"\x1b[?1049h\x1b[?25l")
    assert b"\x1b[?25h\x1b[?1049l" in screen.written
    assert b"Traceback" not in screen.written


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_the_terminal_as_it_was(screen: Screen, number: int, wait_until: Callable[..., Any]) -> None:
    wait_until(lambda: screen.shows("Clients", "Queue"), "the screen")
    screen.child.kill(number)
    assert screen.exit_code() == 0
    assert screen.written.rstrip().endswith(b"\x1b[?25h\x1b[?1049l")


def test_the_daemon_goes(screen: Screen, daemon: Any, wait_until: Callable[..., Any]) -> None:
    wait_until(lambda: screen.shows("Clients", "Queue"), "the screen")
    assert daemon.terminate() == 0
    assert screen.exit_code() == 3
    after = screen.written.partition(b"\x1b[?1049l")[2]
    assert b"qmd: " in after
    assert b"Traceback" not in after
