import contextlib
import io
import os
import pty
import unicodedata

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ipc.protocol import Job
from qmd_tui.output.progress import Progress, clip, describe

JOB = Job(
    id="1", kind="update", index="index", state="running", phase="indexing", done=12, total=24, current="a\x1b.md"
)


def test_describe() -> None:
    assert describe(JOB) == f"Indexing {'█' * 12}{'░' * 12} 12/24 a␛.md"


def test_describe_bytes() -> None:
    fetch = Job(id="1", kind="fetch", index="", state="running", phase="fetching m", unit="bytes", current="w")
    fetch = msgspec.structs.replace(fetch, done=600_000, total=1_200_000_000)
    assert describe(fetch) == f"Fetching m {'░' * 24} 600 kB of 1,200 MB w"


def test_describe_while_nobody_knows_how_much_there_is() -> None:
    assert describe(Job(id="1", kind="update", index="index", state="queued")) == "Queued "


def test_nothing_is_written_where_it_is_no_terminal() -> None:
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.show(JOB)
    assert stream.getvalue() == ""


def test_one_line_is_rewritten_and_erased_on_a_terminal() -> None:
    main, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as stream, Progress(stream) as progress:
        progress.show(JOB)
        progress.show(JOB)
    written = ""
    with contextlib.suppress(OSError):  # the other end is closed: what it wrote comes in any number of parts
        while part := os.read(main, 10_000):
            written += part.decode()
    os.close(main)
    assert written.count("\r\x1b[K") == 3
    assert written.count("\x1b]9;4;1;50\x07") == 2
    assert written.endswith("\r\x1b[K\x1b]9;4;0;0\x07")
    assert "12/24" in written
    assert "\n" not in written


@given(st.text(), st.integers(0, 40))
def test_clip_fits_and_leaves_out_nothing_that_fits(text: str, columns: int) -> None:
    def width(shown: str) -> int:
        return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in shown)

    clipped = clip(text, columns)
    assert text.startswith(clipped)
    assert width(clipped) <= columns
    assert clipped == text or width(text[: len(clipped) + 1]) > columns
