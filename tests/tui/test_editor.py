"""Enter opens the file in the person's editor, at the line."""

from __future__ import annotations

import contextlib
import subprocess
from typing import Any

import pytest
from textual.app import App

from ipc.errors import QmdError
from ipc.protocol import Get
from ipc.testing import FakeClient
from qmd_tui.app import QmdApp
from qmd_tui.editor import command
from tests.tui.library import Line, ask, document, quick, screen_text, until


@pytest.mark.parametrize(
    ("editor", "expected"),
    [
        ("vi", ["vi", "+7", "/a b.md"]),
        ("/usr/bin/nvim -p", ["/usr/bin/nvim", "-p", "+7", "/a b.md"]),
        ("nano", ["nano", "+7", "/a b.md"]),
        ("emacsclient -nw", ["emacsclient", "-nw", "+7", "/a b.md"]),
        ("micro", ["micro", "+7", "/a b.md"]),
        ("hx", ["hx", "/a b.md:7"]),
        ("subl -w", ["subl", "-w", "/a b.md:7"]),
        ("code --wait", ["code", "--wait", "--goto", "/a b.md:7"]),
        ("'/opt/my editor/vim'", ["/opt/my editor/vim", "+7", "/a b.md"]),
        ("unheard-of", ["unheard-of", "/a b.md"]),
    ],
)
def test_each_editor_is_told_the_line_in_its_own_way(editor: str, expected: list[str]) -> None:
    assert command(editor, "/a b.md", 7) == expected


def test_without_one_set_a_common_one_is_looked_for() -> None:
    assert command("", "/a", 7, which=lambda name: name if name == "vim" else None) == ["vim", "+7", "/a"]
    with pytest.raises(QmdError, match=r"Set \$EDITOR"):
        command("", "/a", 7, which=lambda _: None)


def test_quotes_that_do_not_match_are_an_error() -> None:
    with pytest.raises(QmdError, match="EDITOR cannot be read"):
        command("vim '", "/a", 7)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would have been started. The test's terminal cannot be handed over, so that is left out."""
    commands: list[list[str]] = []

    def run(arguments: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        commands.append(arguments)
        if arguments[0] == "missing":
            raise FileNotFoundError(2, "No such file or directory")
        return subprocess.CompletedProcess(arguments, 1 if arguments[0] == "failing" else 0)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(App, "suspend", lambda _: contextlib.nullcontext())
    return commands


async def test_enter_opens_the_selected_document_at_its_match(line: Line, started: list[list[str]]) -> None:
    app = QmdApp(line, quick(editor="vim"))
    async with app.run_test() as pilot:
        await ask(pilot, "v")
        await pilot.press("down", "enter")
        await until(pilot, lambda: started)
        assert started == [["vim", "+42", "/library/n1.md"]]


async def test_enter_without_results_does_nothing(app: QmdApp, started: list[list[str]]) -> None:
    async with app.run_test() as pilot:
        await pilot.press("enter")
        await pilot.pause()
    assert started == []


@pytest.mark.parametrize(
    ("editor", "expected"), [("missing", "Cannot start missing"), ("failing", "failing ended with exit code 1.")]
)
async def test_an_editor_that_fails_is_told(line: Line, started: list[list[str]], editor: str, expected: str) -> None:
    app = QmdApp(line, quick(editor=editor))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot, "v")
        await pilot.press("enter")
        await until(pilot, lambda: expected in screen_text(pilot))
        assert started


async def test_a_terminal_that_cannot_be_handed_over_is_told(line: Line) -> None:
    app = QmdApp(line, quick(editor="vim"))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot, "v")
        await pilot.press("enter")
        await until(pilot, lambda: "cannot be handed to another program" in screen_text(pilot))


async def test_a_document_without_a_file_is_told(app: QmdApp, client: FakeClient, started: list[list[str]]) -> None:
    def nowhere(request: Any) -> Any:
        import msgspec

        return msgspec.structs.replace(document(request), location="")

    client.on(Get, nowhere)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot, "v")
        await pilot.press("enter")
        await until(pilot, lambda: "no file on this machine" in screen_text(pilot))
    assert started == []
