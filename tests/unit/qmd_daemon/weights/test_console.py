import io

from qmd_daemon.weights.console import Console
from qmd_daemon.weights.report import AnyLine, Failed, File, Finished, Meter, Moved, Started, Step, Tally, decode


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def moved(done: int, total: int = 4_000_000) -> Moved:
    return Moved(model="m", repository="a/m", files=[File(name="w", done_bytes=done, total_bytes=total)])


LINES: list[AnyLine] = [
    Started(expected={"m": 4_000_000, "n": 4_000_000}),
    Step(model="m", phase="looking for a/m"),
    moved(0),
    moved(2_000_000),
    Finished(model="m", state="fetched", size_bytes=4_000_000, source="a/m@master"),
    Finished(model="n", state="present", size_bytes=4_000_000),
]


def shown(stream: io.StringIO, *lines: AnyLine) -> str:
    with Console(stream) as console:
        for line in lines:
            console.tell(line)
    return stream.getvalue()


def test_a_line_for_each_thing_where_there_is_no_terminal() -> None:
    assert shown(io.StringIO(), *LINES).splitlines() == [
        "looking for a/m",
        "fetching m (4 MB)",
        "m: fetched from a/m@master (4 MB)",
        "n: is there (4 MB)",
    ]


def test_a_bar_on_a_terminal_which_leaves_no_trace() -> None:
    frames = shown(Terminal(), *LINES).split("\r\x1b[K")
    assert f"fetching m {'█' * 6}{'░' * 18} 2 MB of 8 MB" in frames
    assert frames[-1] == ""


def test_an_error_and_what_to_do() -> None:
    assert shown(io.StringIO(), Failed(code="unavailable", message="No.", hint="Do.")) == "qmd: No.\nDo.\n"


def test_the_tally_corrects_what_was_expected() -> None:
    tally = Tally()
    for line in LINES[:3]:
        tally.add(line)
    assert (tally.done_bytes, tally.total_bytes) == (0, 8_000_000)
    tally.add(moved(500, total=1000))
    assert (tally.done_bytes, tally.total_bytes, tally.phase) == (500, 4_001_000, "fetching m")


def test_the_meter_tells_seldom_and_never_more_than_all() -> None:
    told: list[AnyLine] = []
    meter = Meter("m", "a/m", [File(name="w", done_bytes=0, total_bytes=0)], told.append)
    for _ in range(1000):
        meter.moved("w", 3)
    assert len(told) < 100
    meter.finish({"w": 3000})
    last = told[-1]
    assert isinstance(last, Moved)
    assert last.files == [File(name="w", done_bytes=3000, total_bytes=3000)]


def test_lines_come_back() -> None:
    import msgspec

    assert [decode(msgspec.json.encode(line)) for line in LINES] == LINES
