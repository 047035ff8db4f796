"""The full-screen UI as it is felt: the real program in a pseudo-terminal, against the real daemon.

    python benchmarks/tui.py --eval DIR [--home DIR] [--documents 13200] [--keys 10000]

The index is that of benchmarks/latency.py: 100,000 chunks, the fake engine. With --home it is kept, and used again.

start     from the start of the process to its first frame, and the same for a Textual app with nothing in it
key       from a key to the frame with the words' results of what is typed then, the screen standing still before it
typing    the same at 15 keys a second; and, from the daemon's log, how many queries it worked on at once
preview   of a document of 50 MB, in the middle: from the hit's frame to the document's, what was read, what it takes
session   so many keys on all screens: the memory of the program as it goes, and errors in either log

A frame is over when the terminal is told so (mode 2026). Times are milliseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import sys
import sysconfig
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from itertools import pairwise

import latency
import pexpect

from ipc.launch import ensure_daemon
from ipc.paths import Paths
from ipc.protocol import CollectionAdd, Get, JobCancel, Search, Shutdown
from ipc.sync import SyncClient
from qmd_tui.bench import metrics

QMD = os.path.join(sysconfig.get_path("scripts"), "qmd")
EMPTY = """
from textual.app import App
from textual.widgets import Static
class Empty(App):
    def compose(self):
        yield Static("READY")
Empty().run()
"""
SIZE = (40, 120)
STARTS = 10
TEXTS = ("what do patients with diabetes need", "how are models evaluated on long documents", "vaccine trial results")
CHINESE = ("中国历史上的朝代", "城市的人口和面积")
KEYS_A_SECOND = 15
END_OF_FRAME = b"\x1b[?2026l"
# The program asks whether the terminal has that mode; this one has.
ASKED, ANSWER = b"\x1b[?2026$p", "\x1b[?2026;2$y"
# The line of an answer that more is to follow: it ends with an ellipsis.
FIRST_STAGE = re.compile(rb"lexical [^\x1b]*\xe2\x80\xa6(?s:.*?)" + re.escape(END_OF_FRAME))
PATIENCE_S = 30.0
SETTLE_S = 2.0
STILL_S = 0.06
BIG = "big"
BIG_LINES = 715_000
BIG_BYTES = 70 * BIG_LINES


class Program:
    """A program in a pseudo-terminal, and what it has written since the last key."""

    def __init__(self, command: list[str]) -> None:
        env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled once, as on a person's machine
        self.started = time.perf_counter()
        self._child = pexpect.spawn(command[0], command[1:], env=env, dimensions=SIZE, timeout=None)
        self._child.delaybeforesend = None
        self.pid = self._child.pid
        self.written = b""

    def type(self, keys: str) -> None:
        self._child.send(keys.encode())

    def read(self, wait_s: float) -> bool:
        """Take what has been written. Returns whether there was anything."""
        try:
            part = self._child.read_nonblocking(1 << 16, wait_s)
        except pexpect.TIMEOUT:
            return False
        except pexpect.EOF:
            raise SystemExit(f"the program has ended:\n{self.written[-2000:]!r}") from None
        self.written += part
        if ASKED in part:
            self.type(ANSWER)
        return True

    def until(self, pattern: bytes, *, end: bytes = END_OF_FRAME) -> float:
        """Read until a frame is over that has this; the time."""
        deadline = time.perf_counter() + PATIENCE_S
        look = re.compile(pattern + rb"(?s:.*?)" + re.escape(end))
        while not look.search(self.written):
            self.read(0.05)
            if time.perf_counter() > deadline:
                raise SystemExit(f"{pattern!r} does not come:\n{self.written[-2000:]!r}")
        return time.perf_counter()

    def forget(self) -> None:
        """What comes now is the answer to what is typed next."""
        while self.read(0.0):
            pass
        self.written = b""

    def stand_still(self) -> None:
        """Read until nothing has been written for a moment."""
        while self.read(STILL_S):
            pass

    @property
    def memory_bytes(self) -> int:
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS"))

    def close(self) -> None:
        self._child.close(force=True)


def main() -> None:
    options = _options()
    with ExitStack() as stack:
        home = options.home or stack.enter_context(tempfile.TemporaryDirectory(prefix="qmd-tui-"))
        os.environ.update(QMD_HOME=home, QMD_HTTP_PORT="0", QMD_ENGINE="fake")
        paths = Paths.from_environment(os.environ)
        _allow_big(paths)
        with SyncClient(ensure_daemon(paths).rpc) as client:
            try:
                latency._index(client, options, os.path.join(home, "corpus"))  # noqa: SLF001
                _start()
                _keys()
                _typing(paths)
                _preview(client, os.path.join(home, "big"))
                if options.keys:
                    _session(paths, options.keys)
            finally:
                client.call(Shutdown())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eval", required=True, help="the directory of the collections")
    parser.add_argument("--home", help="keep the index here, and use the one that is")
    parser.add_argument("--documents", type=int, default=13_200)
    parser.add_argument("--keys", type=int, default=10_000, help="of the session; 0: none")
    return parser.parse_args()


def _ui(index: str = latency.INDEX) -> Program:
    return Program([QMD, "--index", index])


def _allow_big(paths: Paths) -> None:
    os.makedirs(paths.config, exist_ok=True)
    with open(os.path.join(paths.config, "config.toml"), "w", encoding="utf-8") as file:
        file.write(f"[ingest]\nmax_file_bytes = {2 * BIG_BYTES}\n")


def _start() -> None:
    """By turns, so that both meet the same machine; the first turn compiles, and does not count."""
    times: dict[str, list[float]] = {"qmd": [], "empty": []}
    for _ in range(STARTS + 1):
        for name, command, sign in (
            ("qmd", [QMD, "--index", latency.INDEX], rb"query"),
            ("empty", [sys.executable, "-c", EMPTY], rb"READY"),
        ):
            program = Program(command)
            times[name].append((program.until(sign, end=b"") - program.started) * 1000)
            program.close()
    qmd, empty = (statistics.median(times[name][1:]) for name in ("qmd", "empty"))
    told = f"start: first frame {qmd:.0f} ms, of an empty app {empty:.0f} ms"
    print(f"{told}: {qmd / empty:.2f} times (medians of {STARTS})")


def _keys() -> None:
    """One key at a time: the order of the one before has settled."""
    program = _ui()
    program.until(rb"Type to search")
    times = []
    for text in (*TEXTS, *CHINESE):
        for key in text:
            program.stand_still()
            program.forget()
            typed = time.perf_counter()
            program.type(key)
            if key == " ":  # the same words: nothing is asked
                continue
            times.append((program.until(rb"lexical") - typed) * 1000)
            program.until(rb"fused|Nothing matches|results.{0,40}lexical[^\xe2]*vectors")
        program.type("\x15")  # Ctrl+U
        program.until(rb"Type to search")
    program.close()
    print(f"key: to the words' results {_show(times)}, {len(times)} keys")


def _typing(paths: Paths) -> None:
    """As fast as a person types: each key is sent in its time, whatever is on the screen by then.

    An answer that is shown is the one to the newest key; a key whose answer was overtaken by the next key has none.
    """
    program = _ui()
    program.until(rb"Type to search")
    begin = time.time()
    lags: list[float] = []
    keys = 0
    for text in (*TEXTS, *CHINESE):
        program.forget()
        start = time.perf_counter()
        waiting: float | None = None
        for number, key in enumerate([*text, ""]):
            due = start + (number if key else number + KEYS_A_SECOND) / KEYS_A_SECOND
            while (now := time.perf_counter()) < due:
                program.read(min(due - now, 0.002))
                if waiting is not None and FIRST_STAGE.search(program.written):
                    lags.append((time.perf_counter() - waiting) * 1000)
                    waiting = None
            if key.strip():
                program.written = b""
                waiting = time.perf_counter()
                keys += 1
            program.type(key)
        program.type("\x15")
        program.until(rb"Type to search")
    program.close()
    told = f"{len(lags)} of {keys} keys (the others were overtaken)"
    print(f"typing {KEYS_A_SECOND} keys a second: to the words' results {_show(lags)}, {told}")
    most, overlap = _at_once(paths, begin)
    print(f"typing: queries that the daemon worked on at once: {most} (longest overlap {overlap:.1f} ms)")


def _at_once(paths: Paths, begin: float) -> tuple[int, float]:
    """The most queries under way at the same time, and the longest that two were, from what the daemon has logged."""
    spans = []
    with open(paths.log_file, encoding="utf-8") as file:
        for line in file:
            event = json.loads(line)
            end = datetime.fromisoformat(event["timestamp"]).timestamp()
            if event.get("op") == "query" and event["event"] == "request.done" and end > begin:
                spans.append((end - event["ms"] / 1000, end))
    spans.sort()
    overlaps = [(min(before[1], after[1]) - after[0]) * 1000 for before, after in pairwise(spans)]
    longest = max([0.0, *overlaps])
    edges = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    running = most = 0
    for _, change in edges:
        running += change
        most = max(most, running)
    return most, longest


def _preview(client: SyncClient, corpus: str) -> None:
    """One document, of lines of some words; one word stands in the middle alone."""
    if not os.path.isdir(corpus):
        os.makedirs(corpus)
        draw = random.Random(3)
        words = ["".join(draw.choices("aeiourstlmn", k=6)) for _ in range(3000)]
        with open(os.path.join(corpus, "big.md"), "w", encoding="utf-8") as file:
            lines = (" ".join(draw.choices(words, k=10)) for _ in range(BIG_LINES))
            file.writelines(f"{line} zebra\n" if at == BIG_LINES // 2 else f"{line}\n" for at, line in enumerate(lines))
        job = client.call(CollectionAdd(index=BIG, path=corpus, name="big", mask="**/*.md")).job
        while not client.call(Search(index=BIG, query="zebra")).results:
            time.sleep(0.2)
        client.call(JobCancel(job=job.id))  # its vectors are not what is measured
    program = _ui(BIG)
    program.until(rb"Type to search")
    program.type("\x13")  # the words alone
    program.stand_still()
    before = program.memory_bytes
    program.forget()
    typed = time.perf_counter()
    program.type("zebra")
    found = program.until(rb"1 result.{0,40}lexical")
    shown = program.until(rb"big.md .{0,20} lines")
    program.stand_still()
    grown = (program.memory_bytes - before) / 1e6
    program.close()
    reading = time.perf_counter()
    part = client.call(Get(index=BIG, ref="qmd://big/big.md", from_line=BIG_LINES // 3, max_lines=401))
    read_ms = (time.perf_counter() - reading) * 1000
    told = f"to the hit {(found - typed) * 1000:.0f} ms, from it to the document {(shown - found) * 1000:.0f} ms"
    print(f"preview of {BIG_BYTES / 1e6:.0f} MB: {told}; {grown:+.1f} MB")
    print(f"preview: {len(part.text)} characters of {part.total_lines} lines are read in {read_ms:.1f} ms")


# Each begins and ends on the search screen. Esc comes after a letter, so that it never finds the input empty.
MACROS = (
    ("model",),
    ("显存监控",),
    ("\x15",),
    ("a", *["\x1b[B"] * 12, *["\x1b[A"] * 3),
    ("a", "\x1b[6~", "\x1b[6~", "\x1b[5~", "\x1b[1;2B"),
    ("a", "\t", "\t", "\x1b[Z"),
    ("a", "\x05", "\x1b[B", "\x05"),
    ("a", "\x14", "\x1b[B", "\x14"),
    ("a", "\x0f", "\x0f"),
    ("a", "\x1b[1;3B", "\x1b[1;3A"),
    ("\x13",),
    ("a", "\x0c", "b"),
    ("a", "\x19"),
    ("a", "\x1bOP", "doc", "\x1bOP"),
    ("a", "\x1bOQ", "copy", "\x1b"),
    ("a", "\x12", "mod", "\x1b"),
    ("a", "\x1bOR", "\x1b[B", "\t", "\x1b[A", "\x1bOR"),
    ("a", "\x1bOS", "\x1b[B", "\x1b[B", "\x1bOS"),
    ("a", "\x1b[15~", "\x1b[15~"),
    ("a", "\x1b[17~", "done", "\x1b[A", "\x1b[17~"),
    ("a", "\x1b[20~", "\x1b[20~"),
    ("a", "\x1b[21~", "\x1b[21~", "\x1b[21~"),
)


def _session(paths: Paths, count: int) -> None:
    """So many keys, drawn with a fixed seed, as fast as they are taken."""
    program = _ui()
    program.until(rb"Type to search")
    draw = random.Random(7)
    done = 0
    readings = []
    begin = time.time()
    while done < count:
        for keys in draw.choice(MACROS):
            for key in [keys] if keys.startswith("\x1b") else keys:
                program.type(key)
                done += 1
                program.read(0.02)
        program.written = b""
        if done // (count // 10) > len(readings):
            _settle(program)
            readings.append(program.memory_bytes / 1e6)
    _settle(program)
    program.close()
    told = " ".join(f"{reading:.0f}" for reading in readings)
    growth = readings[-1] - readings[len(readings) // 2 - 1]
    print(f"session: {done} keys in {time.time() - begin:.0f} s; memory by tenths {told} MB")
    print(f"session: {growth:+.1f} MB in the second half")
    print(f"session: errors in the daemon's log {_errors(paths, begin)}, in the program's {_crashes(paths, begin)}")


def _settle(program: Program) -> None:
    """Let it do what is left to do. It is never silent for long: the cursor blinks, and the meter moves."""
    end = time.perf_counter() + SETTLE_S
    while time.perf_counter() < end:
        program.read(0.05)
        program.written = b""


def _errors(paths: Paths, begin: float) -> int:
    with open(paths.log_file, encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    wrong = [event for event in events if event["level"] in {"error", "critical"}]
    return sum(datetime.fromisoformat(event["timestamp"]).timestamp() > begin for event in wrong)


def _crashes(paths: Paths, begin: float) -> int:
    file = os.path.join(paths.state, "tui-crash.log")
    return int(os.path.exists(file) and os.path.getmtime(file) > begin)


def _show(times: list[float]) -> str:
    p50, p95 = (metrics.percentile(times, share) for share in (0.5, 0.95))
    return f"p50 {p50:.1f}, p95 {p95:.1f}, most {max(times):.1f} ms"


if __name__ == "__main__":
    main()
