"""`qmd top`: what the daemon does at this moment, on one screen that is drawn again in place. Never starts it."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import EventReply, Listen, Status
from ipc.sync import SyncClient
from qmd_tui.cli import daemon
from qmd_tui.output import streams, top
from qmd_tui.output.progress import clip
from qmd_tui.output.style import style_of
from qmd_tui.output.top import Now

# The meter is read once a second. Longer than that it is silent only if there is none.
_SILENCE_S = 10.0
# The alternate screen, without a cursor; and back.
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
# To the first line; an empty line; nothing below.
_HOME, _LINE, _REST = "\x1b[H", "\x1b[K", "\x1b[J"
# Lines where nobody looks at a screen.
_ALL = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="one reading, and no more; so is it without a terminal")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each reading")


def run(args: argparse.Namespace, paths: Paths) -> int:
    endpoint = daemon.find(args, paths)
    if endpoint is None:
        raise QmdError("unavailable", "The daemon does not run.", "The next query starts it; so does `qmd server`.")
    with endpoint.connect() as client, closing(_readings(client, args.index)) as readings:
        if args.json:
            _as_json(readings, once=args.once)
        elif args.once or not _draws():
            whole = next(now for now in readings if now.rates)
            streams.result("\n".join(top.lines(whole, style_of(), rows=_ALL)))
        else:
            _draw(readings)
    return 0


def _readings(client: SyncClient, index: str) -> Generator[Now]:
    """How things stand now, then whenever the meter has been read, or a job or a model has moved on.

    The first ones have no rates: these need two readings of the meter.
    """
    status = client.call_raw(Status(index=index))
    started = time.monotonic() - status["uptime_s"]
    engine, sample, rates = status["engine"], status["gpu"], None
    jobs: dict[str, dict[str, Any]] = {job["id"]: job for job in status["jobs"]}

    def now() -> Now:
        up = {"uptime_s": round(time.monotonic() - started, 3)}
        return Now(status | up, engine, list(jobs.values()), sample, rates, time.time())

    yield now()
    for reply in client.stream(Listen(topics=["gpu", "job", "models"]), EventReply, timeout_s=_SILENCE_S):
        match reply.topic:
            case "gpu":
                rates, sample = top.rates(sample, reply.event), reply.event
            case "job":
                jobs[reply.event["job"]["id"]] = reply.event["job"]
            case "models":
                engine = reply.event["engine"]
        yield now()


def _as_json(readings: Iterator[Now], *, once: bool) -> None:
    for now in readings:
        if now.rates is None:
            continue
        streams.result(json.dumps(now.as_dict(), ensure_ascii=False))
        sys.stdout.flush()
        if once:
            return


def _draws() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _draw(readings: Iterator[Now]) -> None:
    """Until Ctrl+C."""
    style = style_of()

    def fitted(line: str, columns: int) -> str:
        """Cut to the width: what is wider loses its colours, so that none of them is cut in two."""
        bare = top.plain(line)
        cut = clip(bare, columns)
        return line if cut == bare else cut

    with _screen():
        for now in readings:
            columns, rows = os.get_terminal_size(sys.stdout.fileno())
            shown = [f"{_LINE}{fitted(line, columns)}" for line in top.lines(now, style, rows)]
            sys.stdout.write(_HOME + "\r\n".join(shown) + _REST)
            sys.stdout.flush()


@contextmanager
def _screen() -> Iterator[None]:
    """The terminal is as it was afterwards, whatever ends it; Ctrl+C and SIGTERM are the usual ways."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    sys.stdout.write(_ENTER)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()
        signal.signal(signal.SIGTERM, before)
