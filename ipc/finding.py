"""A line of `qmd doctor`: what was looked at, how it is, and what to do about it. Standard library only."""

from __future__ import annotations

from typing import Literal, NamedTuple

State = Literal["ok", "warn", "fail"]


class Finding(NamedTuple):
    """`warn`: it works, but not as well as it could, or not for long. `hint` says what to do, and is "" with ok."""

    check: str
    state: State
    message: str
    hint: str = ""


def ok(check: str, message: str) -> Finding:
    return Finding(check, "ok", message)


def warn(check: str, message: str, hint: str) -> Finding:
    return Finding(check, "warn", message, hint)


def fail(check: str, message: str, hint: str) -> Finding:
    return Finding(check, "fail", message, hint)
