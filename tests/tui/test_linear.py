"""The search as lines and prompts, with a daemon that comes and goes. tests/tui/test_pipes.py has the real program."""

from __future__ import annotations

from typing import Any

from ipc.errors import DaemonUnreachable
from ipc.protocol import Get, Pong, Query, Reply, Request
from qmd_tui.linear import Linear
from qmd_tui.settings import Settings
from tests.tui.library import PONG, document, fused


class Client:
    """Answers as the library does, while it lives."""

    def __init__(self) -> None:
        self.lives = True
        self.dies_of: type[Request] | None = None
        self.asked: list[Request] = []

    def ping(self, *, timeout_s: float) -> Pong:
        if not self.lives:
            raise DaemonUnreachable("There is no daemon at the other end.")
        return PONG

    def call(self, request: Request, reply: type[Reply], *, timeout_s: float) -> Reply:
        self.asked.append(request)
        if isinstance(request, self.dies_of or ()):
            self.lives, self.dies_of = False, None
            raise DaemonUnreachable("The daemon went away before it had answered.")
        return document(request) if isinstance(request, Get) else fused(0, 1)


def talk(client: Client, *lines: str, revives: bool = True) -> list[str]:
    """What is said to somebody who types these lines."""
    said: list[str] = []
    typed = iter(lines)

    def revive() -> None:
        if not revives:
            raise DaemonUnreachable("Cannot start it.")
        client.lives = True

    anything: Any = client
    Linear(anything, Settings(), lambda _: next(typed, None), said.append, revive).run()
    return said


def test_results_and_lines_of_one() -> None:
    said = talk(Client(), "v", "1")
    assert any(line.startswith("1. Vector search") for line in said)
    assert "42: line 42 of document 0 tells of the vector engine" in said


def test_a_daemon_that_has_died_meanwhile_is_brought_back_before_it_is_asked() -> None:
    client = Client()
    client.lives = False
    said = talk(client, "v")
    assert "The daemon is gone. It is looked for again." in said
    assert any(line.startswith("1. Vector search") for line in said)
    assert len(client.asked) == 1


def test_one_that_dies_of_the_question_is_asked_once_more() -> None:
    client = Client()
    client.dies_of = Query
    said = talk(client, "v")
    assert any(line.startswith("1. Vector search") for line in said)
    assert len(client.asked) == 2


def test_one_that_does_not_come_back_is_an_error_and_the_next_line_is_read() -> None:
    client = Client()
    client.lives = False
    said = talk(client, "v", "w", revives=False)
    assert [line for line in said if line.startswith("Error: Cannot start it.")] == [said[2], said[4]]


def test_what_is_no_result_is_said() -> None:
    assert "Error: There is no result 3. Type the number of one that was listed." in talk(
        Client(), "v", "3", "", "q", "v"
    )
