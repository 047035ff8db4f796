"""A daemon that gets a signal at a certain point: `doomed.py POINT COUNT SIGNAL [FLAG...]`.

POINT is MODULE:FUNCTION; the signal comes when that function has been called for the COUNT-th time, before its caller
goes on. Everything else is `python -m qmd_daemon`.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import os
import signal
import sys
from typing import Any

from qmd_daemon.__main__ import main


def doom(point: str, count: int, number: signal.Signals) -> None:
    module, _, path = point.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    function, calls = getattr(owner, name), itertools.count(1)

    @functools.wraps(function)
    def doomed(*args: Any, **named: Any) -> Any:
        result = function(*args, **named)
        if next(calls) == count:
            os.kill(os.getpid(), number)
        return result

    setattr(owner, name, doomed)


if __name__ == "__main__":
    doom(sys.argv[1], int(sys.argv[2]), signal.Signals[sys.argv[3]])
    sys.exit(main(sys.argv[4:]))
