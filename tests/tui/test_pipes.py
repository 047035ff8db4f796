"""The program beside others: lines in a pipe, what is picked in a command line, a daemon behind a forwarded socket."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ipc.holder import read_holder
from ipc.launch import find_daemon
from ipc.paths import Paths
from ipc.protocol import CollectionAdd
from qmd_daemon import grants, keys
from tests.conftest import Daemon
from tests.integration import corpus
from tests.tui.forward import Forward
from tests.tui.terminal import ALT_ENTER, DOWN, ESCAPE, QMD, SMALL, TAB, Terminal, environment

pytestmark = pytest.mark.xdist_group("pipes")
NOTES = {
    "gpu.md": "# GPU显存监控\n\nfirst line\n\n写一份最小的显存监控方案。\n",
    "drivers.md": "# Drivers\n\nA driver of the GPU, and \x1b[31mred\x1b[0m words.\n" + "And much harmless text. " * 20,
    "bread.md": "# Bread\n\nFlour and water.\n",
}


class Library:
    """A daemon that knows the notes, and the environment in which it is found."""

    def __init__(self, daemon: Daemon, notes: Path) -> None:
        self.daemon = daemon
        self.notes = notes
        # The home that its paths are in; a socket's path has to be short.
        self.env = environment(QMD_HOME=os.path.dirname(daemon.paths.state), QMD_HTTP_PORT="0", QMD_ENGINE="fake")

    @property
    def runtime(self) -> str:
        return os.path.dirname(self.daemon.endpoint.rpc.removeprefix("ipc://"))


@pytest.fixture(scope="module")
def library(shared_daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Library:
    notes = tmp_path_factory.mktemp("notes")
    for name, text in NOTES.items():
        (notes / name).write_text(text, encoding="utf-8")
    with shared_daemon.connect() as client:
        assert corpus.finish(client, CollectionAdd(path=str(notes), name="notes")).counts["new"] == len(NOTES)
    return Library(shared_daemon, notes)


@pytest.fixture
def elsewhere(library: Library, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of another machine: no daemon is there, and none is started."""
    env = library.env | {"QMD_HOME": str(tmp_path)}
    yield env
    assert find_daemon(Paths.from_environment(env)) is None


@pytest.fixture
def short_directory() -> Iterator[str]:
    """A socket's path has 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="qmd-") as directory:
        yield directory


def linear(env: dict[str, str], typed: str, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [QMD, "--linear", *flags]
    return subprocess.run(command, env=env, input=typed, capture_output=True, text=True, timeout=60, check=False)


class TestLinear:
    def test_results_are_numbered_lines_and_a_number_shows_one(self, library: Library) -> None:
        done = linear(library.env, "driver words\n1\nm\n7\nq\n")
        assert (done.returncode, done.stderr) == (0, "")
        assert re.search(r"^1\. Drivers, \d+%, notes/drivers\.md:\d+, now$", done.stdout, re.MULTILINE)
        assert "notes/drivers.md\n1: # Drivers\n" in done.stdout
        assert "There is no more." in done.stdout
        assert "Error: There is no result 7." in done.stdout
        assert "\x1b" not in done.stdout  # neither ours nor the file's
        assert "␛[31mred" in done.stdout

    def test_it_speaks_the_language_of_the_locale(self, library: Library) -> None:
        done = linear(library.env | {"LC_ALL": "zh_CN.UTF-8", "PYTHONUTF8": "1"}, "显存监控\n9\n")
        assert done.returncode == 0
        assert "GPU显存监控" in done.stdout
        assert "没有结果 9" in done.stdout
        prose = re.sub(r"notes/\S+|GPU|Drivers|Bread", "", done.stdout)
        assert re.findall(r"[A-Za-z]{2,}", prose) == [], done.stdout

    def test_an_editor_is_opened_at_the_match(self, library: Library, tmp_path: Path) -> None:
        editor = tmp_path / "vim"
        editor.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$0.arguments"\n')
        editor.chmod(0o755)
        done = linear(library.env | {"EDITOR": str(editor)}, "Flour\ne 1\n")
        assert done.returncode == 0
        assert (tmp_path / "vim.arguments").read_text() == f"+3\n{library.notes}/bread.md\n"


class TestPick:
    def test_what_is_picked_goes_into_a_command_line(self, library: Library, wait_until: Any) -> None:
        # As `vim $(qmd --pick)`: stdout is a pipe, and stderr leads elsewhere, so only the terminal is left to draw on.
        terminal = Terminal(
            SMALL, library.env, f"for file in $('{QMD}' --pick 2>/dev/null); do echo \"OPEN=$file\"; done"
        )
        try:
            terminal.shows(wait_until, "Type to search 3 documents")
            terminal.type("GPU")
            terminal.shows(wait_until, "3 results", "fused", "Drivers")
            terminal.type(TAB + TAB + ALT_ENTER)  # the first two of the three
            terminal.sees(lambda _: terminal.ended, "the end of the program", wait_until)
            opened = re.findall(rb"OPEN=(\S+)", terminal.written)
            assert sorted(opened) == sorted(os.fsencode(library.notes / name) for name in ("gpu.md", "drivers.md"))
            assert b"\x1b[?1049h" in terminal.written  # it was drawn
        finally:
            terminal.close()

    def test_nothing_picked_is_an_exit_code_and_no_file(self, library: Library, wait_until: Any) -> None:
        terminal = Terminal(SMALL, library.env, f"'{QMD}' --pick > '{library.notes}/../picked'")
        try:
            terminal.shows(wait_until, "Type to search 3 documents")
            terminal.type(ESCAPE)
            terminal.sees(lambda _: terminal.ended, "the end of the program", wait_until)
            assert b"EXIT=1\r\n" in terminal.written
            assert (library.notes / "../picked").read_bytes() == b""
        finally:
            terminal.close()

    def test_without_any_terminal_it_says_how_it_is_used(self, library: Library) -> None:
        done = subprocess.run(
            [QMD, "--pick"], env=library.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
            check=False, start_new_session=True,
        )  # fmt: skip
        assert done.returncode == 1
        assert done.stdout == ""
        assert "Usage: qmd" in done.stderr


class TestConnect:
    def test_lines_through_a_forwarded_socket(
        self, library: Library, elsewhere: dict[str, str], short_directory: str
    ) -> None:
        with Forward(short_directory, library.runtime) as forward:
            done = linear(elsewhere, "显存监控\n1\nq\n", "--connect", f"{short_directory}/rpc.sock")
            assert (done.returncode, done.stderr) == (0, "")
            assert "写一份最小的显存监控方案。" in done.stdout
            assert forward.connections == 1

    def test_the_screen_survives_that_the_line_is_cut(
        self, library: Library, elsewhere: dict[str, str], short_directory: str, wait_until: Any
    ) -> None:
        forward = Forward(short_directory, library.runtime)
        with forward:
            terminal = Terminal(SMALL, elsewhere, f"'{QMD}' --connect '{short_directory}'")
            terminal.shows(wait_until, "Type to search 3 documents", "no GPU")  # the meter comes by the events
            terminal.type("显存监控")
            terminal.shows(wait_until, "fused", "notes/gpu.md")
            terminal.type(DOWN)
        try:
            terminal.sees(re.compile("daemon lost|waiting for|connecting").search, "that the line is cut", wait_until)
            terminal.shows(wait_until, "显存监控", "notes/gpu.md")
            terminal.type("!")
            with Forward(short_directory, library.runtime):
                terminal.shows(wait_until, "显存监控!", "fused", "ready")
                terminal.type(ESCAPE)
                terminal.shows(wait_until, "Type to search")
                terminal.type(ESCAPE)
                terminal.sees(lambda _: terminal.ended, "the end of the program", wait_until)
        finally:
            terminal.close()

    def test_the_screen_with_a_key(self, tmp_path: Path, start_daemon: Any, home: Paths, wait_until: Any) -> None:
        keys.create(home, "laptop", str(tmp_path / "laptop.key"))
        daemon = start_daemon("--listen", "tcp://127.0.0.1:0")
        daemon.wait_ready()
        holder = read_holder(home.daemon_lock)
        assert holder is not None
        (tmp_path / "notes").mkdir()
        (tmp_path / "notes" / "gpu.md").write_text(NOTES["gpu.md"])
        with daemon.connect() as client:
            corpus.finish(client, CollectionAdd(path=str(tmp_path / "notes"), name="notes"))
        env = environment(QMD_HOME=str(tmp_path / "laptop"), QMD_KEY=str(tmp_path / "laptop.key"))
        terminal = Terminal(SMALL, env, f"'{QMD}' --connect {holder.tcp}")
        try:
            terminal.shows(wait_until, "Type to search 1 document", "no GPU")  # the meter comes by the events
            terminal.type("显存监控")
            terminal.shows(wait_until, "notes/gpu.md")
            grants.revoke(home, "laptop", "key")
            terminal.shows(wait_until, "daemon lost")
            terminal.type(ESCAPE)
            terminal.shows(wait_until, "does not know this key")
            terminal.type(ESCAPE)
            terminal.sees(lambda _: terminal.ended, "the end of the program", wait_until)
        finally:
            terminal.close()

    def test_a_socket_where_nobody_listens_is_said(self, elsewhere: dict[str, str], tmp_path: Path) -> None:
        done = linear(elsewhere, "x\n", "--connect", str(tmp_path / "rpc.sock"))
        assert (done.returncode, done.stdout) == (3, "")
        assert "There is no daemon at the other end." in done.stderr
