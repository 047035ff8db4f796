"""What the worker writes to stderr when something fails, and how the daemon reads it: with the requests it is about.

A line is `[REQUEST,REQUEST] TEXT`: by these names the daemon's log knows the requests.
"""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterable

# Of a batch with texts of more requests, so many are named.
_NAMED = 8
_LINE = re.compile(r"\[([0-9a-f]+(?:,[0-9a-f]+)*)\] (.*)", re.DOTALL)


def complain(requests: Iterable[str] = ()) -> None:
    """Write the traceback of the exception that is being handled, and which requests it is of."""
    names = list(dict.fromkeys(filter(None, requests)))[:_NAMED]
    prefix = f"[{','.join(names)}] " if names else ""
    sys.stderr.write("".join(f"{prefix}{line}\n" for line in traceback.format_exc().splitlines()))


def read(line: str) -> tuple[str, str]:
    """The requests that a line is about ("" where it does not say), and the line without them."""
    if found := _LINE.fullmatch(line):
        return found[1], found[2]
    return "", line
