"""One screen: what is on it, what is left out, and nothing that a name could do to the terminal."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ipc.protocol import Card, EngineStatus, GpuSample, Job, ModelStatus
from qmd_tui.output import top
from qmd_tui.output.style import Style

PLAIN = Style()
DAEMON = {"version": "1.2", "pid": 7, "uptime_s": 3700.0, "http": "http://127.0.0.1:18765", "index": {"name": "index"}}


def raw(struct: msgspec.Struct) -> Any:
    return msgspec.to_builtins(struct)


def sample(at: float = 10.0, **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"queued": 40, "requests": {"interactive": 2}, "answered": {"interactive": 30}}
    found: dict[str, Any] = raw(GpuSample(**{"at": at, "batches": 10, "pieces": 80, "tokens": 4000, **fields, **more}))
    return found


def now(jobs: list[Job] | None = None, **sampled: Any) -> top.Now:
    model = ModelStatus(role="embedding", name="mini", state="ready", device="cpu", until=None, size_bytes=10**8)
    engine = EngineStatus(state="ready", engine="ct2", models=[model])
    before = sample(at=8.0, batches=0, pieces=0, tokens=0, answered={})
    found = sample(**sampled)
    return top.Now(DAEMON, raw(engine), [raw(job) for job in jobs or []], found, top.rates(before, found), 0.0)


def shown(*args: Any, rows: int = 24, **sampled: Any) -> str:
    return "\n".join(top.lines(now(*args, **sampled), PLAIN, rows))


def test_what_is_on_it() -> None:
    text = shown(machine_cpu_ratio=0.5, worker_cpu=1.5, worker_memory_bytes=2 * 10**8, reason="no NVIDIA driver")
    assert "qmd 1.2, pid 7, up 1 h 1 min, http://127.0.0.1:18765, worker ready" in text
    assert "interactive 2, agent 0, bulk 0 under way; 15.0/s answered" in text
    assert "40 texts wait; 2,000 tokens/s in batches of 8.0" in text
    assert "machine 50%, worker 1.5 cores, worker 200 MB" in text
    assert "no NVIDIA driver" in text
    assert "mini" in text
    assert "JOB" not in text


def test_a_card_without_some_sensors() -> None:
    card = Card(
        index=1, name="H100", utilization_ratio=0.87, memory_used_bytes=12 * 10**9, memory_total_bytes=80 * 10**9
    )
    assert "GPU 1     H100, 87%, 12.0 GB of 80.0 GB\n" in shown(cards=[card])


def test_jobs_that_run_come_first_and_what_does_not_fit_is_counted() -> None:
    done = [Job(id=f"done{n}", kind="update", index="index", state="done", created_at=n) for n in range(40)]
    running = Job(id="runs", kind="embed", index="index", state="running", done=3, total=1200, created_at=1)
    lines = top.lines(now([*done, running]), PLAIN, 24)
    assert len(lines) == 24
    at = next(number for number, line in enumerate(lines) if line.startswith("JOB"))
    assert lines[at + 1].startswith("runs      embed    index       running    3/1,200")
    assert lines[at + 2].startswith("done39")
    assert lines[-1] == f"and {41 - (24 - at - 2)} more"


@pytest.mark.parametrize("rows", [1, 5, 10, 24])
def test_it_is_never_higher_than_the_terminal(rows: int) -> None:
    jobs = [Job(id=str(n), kind="update", index="index", state="done") for n in range(9)]
    assert len(top.lines(now(jobs), PLAIN, rows)) <= rows


def test_a_name_does_nothing_to_the_terminal() -> None:
    job = Job(id="a", kind="update", index="i\x1b[2J", state="running", phase="index", current="\x1b]0;x\x07.md\n")
    assert "\x1b" not in shown([job])
    assert all("\n" not in line for line in top.lines(now([job]), PLAIN, 24))


def test_rates_need_two_readings_of_the_same_daemon() -> None:
    assert top.rates(None, sample()) is None
    assert top.rates(sample(at=10), sample(at=10)) is None
    assert top.rates(sample(tokens=9000), sample(at=11)) is None
    assert top.rates(sample(at=10), sample(at=12, tokens=4100)) == top.Rates({"interactive": 0}, 0, 0, 50)


def test_before_the_first_reading() -> None:
    engine = raw(EngineStatus(state="off", engine="fake", queued=3))
    first = top.Now(DAEMON, engine, [], None, None, 0.0)
    assert "3 texts wait" in "\n".join(top.lines(first, PLAIN, 24))
    assert first.as_dict()["rates"] is None
    assert "index" not in first.as_dict()["daemon"]


def test_colours_can_be_taken_away() -> None:
    lines = top.lines(now(), Style(colored=True), 24)
    assert any("\x1b" in line for line in lines)
    assert [top.plain(line) for line in lines] == top.lines(now(), PLAIN, 24)
