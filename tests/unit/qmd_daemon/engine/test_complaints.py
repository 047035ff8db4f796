"""What the worker complains about can be told apart by request."""

from __future__ import annotations

import pytest

from qmd_daemon.engine import complaints


def complaint(requests: list[str], capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        complaints.complain(requests)
    return [complaints.read(line) for line in capsys.readouterr().err.splitlines()]


def test_every_line_says_whose_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    lines = complaint(["a1b2", "c3d4", "a1b2", ""], capsys)
    assert {requests for requests, _ in lines} == {"a1b2,c3d4"}
    assert lines[0][1] == "Traceback (most recent call last):"
    assert [text for _, text in lines][-2:] == ["ValueError: two", "lines"]


def test_of_a_large_batch_some_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    lines = complaint([f"{number:08x}" for number in range(100)], capsys)
    assert len(lines[0][0].split(",")) == 8


def test_without_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert {requests for requests, _ in complaint([], capsys)} == {""}


@pytest.mark.parametrize("line", ["", "[warn] something of a library", "[] x", "[a1b2]x", "no [a1b2] beginning"])
def test_other_lines_are_left_as_they_are(line: str) -> None:
    assert complaints.read(line) == ("", line)
