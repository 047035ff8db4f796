"""What the screens look like. After a change that is meant: `pytest tests/tui/test_snapshots.py --snapshot-update`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from textual.pilot import Pilot

from ipc.protocol import (
    Card,
    Catalog,
    CatalogReply,
    Contribution,
    Explain,
    GpuSample,
    Hit,
    JobList,
    JobsReply,
    LogEvent,
    ModelStatus,
    Ps,
    PsReply,
    Query,
    Search,
    SearchReply,
    Status,
)
from ipc.testing import FakeClient
from qmd_tui.app import QmdApp
from tests.tui.library import Line, ask, fused, hit, index, lexical, quick, screen_text, status, until
from tests.tui.test_panels import MODELS, NOTES, OVER, RUNNING, WORK
from tests.tui.test_rows import HOSTILE

Compare = Callable[..., bool]
CARD = Card(
    index=0,
    name="NVIDIA GeForce RTX 4060",
    utilization_ratio=0.37,
    memory_used_bytes=3 << 30,
    memory_total_bytes=8 << 30,
    memory_ours_bytes=900 << 20,
    temperature_c=54.0,
    power_w=61.0,
)
CHINESE = "用 nvidia-smi 看显存监控，每秒一次"


EXPLAIN = Explain(
    contributions=[
        Contribution(list="lexical", rank=2, score=7.5, rrf=0.0161, share=0.6),
        Contribution(list="vector", rank=1, score=0.8, rrf=0.0164, share=0.4),
    ],
    matched_terms=["vector"],
    fused=0.7,
    rerank=0.9,
    trust=0.75,
)
# Sixty seconds of a card at work, and what the daemon has logged meanwhile: at midnight, wherever that is.
MIDNIGHT = time.mktime((2026, 1, 2, 0, 0, 0, 0, 0, -1))
EVENTS = [
    *(
        GpuSample(
            at=MIDNIGHT + at,
            cards=[msgspec.structs.replace(CARD, utilization_ratio=at % 10 / 10, temperature_c=50.0 + at % 7)],
            worker_pid=7,
            worker_cpu=0.5,
            worker_memory_bytes=1 << 30,
            machine_cpu_ratio=at % 5 / 5,
            machine_memory_used_bytes=6 << 30,
            machine_memory_total_bytes=16 << 30,
            ceiling_bytes=4 << 30,
            queued=at % 13,
            requests={"interactive": 1},
            answered={"interactive": 3 * at},
            batches=2 * at,
            pieces=40 * at,
            tokens=9000 * at,
        )
        for at in range(60)
    ),
    LogEvent(at=MIDNIGHT + 1, level="info", event="request.done", fields={"op": "query", "ms": "12.0"}),
    LogEvent(at=MIDNIGHT + 2, level="warning", event="engine.died", fields={"how": "was killed by SIGKILL"}),
]


@pytest.fixture(autouse=True)
def _furnished(client: FakeClient) -> None:
    card = GpuSample(at=1.0, cards=[CARD], worker_pid=7)
    client.on(Status, status(index=index(collections=[NOTES, WORK], chunks=4321), gpu=card))
    found = fused(*range(8))
    hits = [msgspec.structs.replace(one, explain=EXPLAIN, relevance=0.5) for one in found.results]
    client.on(Query, msgspec.structs.replace(found, results=hits))
    client.on(JobList, JobsReply(jobs=[msgspec.structs.replace(RUNNING, done=0), OVER]))
    client.on(Catalog, CatalogReply(models=MODELS, profile="cpu", reason="no model"))
    loaded = ModelStatus(role="embedding", name="small", state="ready", size_bytes=90 << 20, device="cuda",
                         compute_type="float16", until=None)  # fmt: skip
    client.on(Ps, PsReply(models=[loaded]))


def _with_chinese(reply: SearchReply) -> SearchReply:
    start = CHINESE.index("显存")
    found: list[Hit] = [hit(1, snippet=CHINESE, matches=[(start, start + 4)], line=7), *reply.results[:3]]
    return type(reply)(results=found, stage=reply.stage, stages=reply.stages)


# Each screen in three sizes; the other theme in the usual one, since sizes and colours know nothing of each other.
LOOKS = [((120, 40), "qmd-dark"), ((80, 24), "qmd-dark"), ((40, 12), "qmd-dark"), ((80, 24), "qmd-light")]
looks = pytest.mark.parametrize(("size", "theme"), LOOKS, ids=["120x40", "80x24", "40x12", "80x24-light"])


@looks
def test_results(line: Line, snap_compare: Compare, size: tuple[int, int], theme: str) -> None:
    async def typed(pilot: Pilot[None]) -> None:
        await ask(pilot, "vector")
        await pilot.press("down")
        if size[1] > 12:  # else there is room for the list alone
            await until(pilot, lambda: "notes/n1.md · 1,000 lines" in screen_text(pilot))

    assert snap_compare(QmdApp(line, quick(theme=theme)), terminal_size=size, run_before=typed)


# By name: the keys that lead there from a query with results, and what is seen then.
SCREENS = {
    "explain": (("ctrl+e",), "Found by"),
    "help": (("f1",), "Previous result"),
    "palette": (("f2", *"copy"), "Copy"),
    "recall": (("ctrl+y", "ctrl+r"), "Earlier queries"),
    "collections": (("f3",), "notes"),
    "form": (("f3", "a"), "Add a directory"),
    "question": (("f3", "d"), "Forget"),
    "skipped": (("f3", "tab", "down", "enter"), "binary"),
    "models": (("f4",), "small"),
    "another-model": (("f4", "down", "w"), "To fetch"),
    "card": (("f5",), "RTX"),
    "log": (("f6",), "request.done"),
}


@looks
@pytest.mark.parametrize("name", SCREENS)
def test_each_screen(  # noqa: PLR0917 - they are pytest's
    line: Line, client: FakeClient, snap_compare: Compare, name: str, size: tuple[int, int], theme: str
) -> None:
    keys, seen = SCREENS[name]

    async def there(pilot: Pilot[None]) -> None:
        await ask(pilot, "vector")
        await until(pilot, lambda: client.listeners)
        for event in EVENTS:
            client.emit("log" if isinstance(event, LogEvent) else "gpu", event)
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        await until(pilot, lambda: seen in screen_text(pilot))
        # What was said in passing goes by the clock.
        pilot.app.clear_notifications()
        await pilot.pause()

    assert snap_compare(QmdApp(line, quick(theme=theme)), terminal_size=size, run_before=there)


@looks
def test_hostile_rows(line: Line, client: FakeClient, snap_compare: Compare, size: tuple[int, int], theme: str) -> None:
    hits = [
        hit(n, title=f"{text} end", path=f"{text}/x.md", snippet=text, matches=[]) for n, text in enumerate(HOSTILE)
    ]
    client.on(Query, SearchReply(results=hits, stage="fused"))

    async def typed(pilot: Pilot[None]) -> None:
        await ask(pilot, "x")
        await pilot.press("ctrl+o")
        await pilot.pause()

    assert snap_compare(QmdApp(line, quick(theme=theme)), terminal_size=size, run_before=typed)


def test_chinese(app: QmdApp, client: FakeClient, snap_compare: Compare) -> None:
    client.on(Search, _with_chinese(lexical(0, 2, 4)))
    client.on(Query, _with_chinese(fused(0, 2, 4)))

    async def typed(pilot: Pilot[None]) -> None:
        await ask(pilot, "显存监控")
        await until(pilot, lambda: "n1.md · 1,000 lines" in screen_text(pilot))

    assert snap_compare(app, terminal_size=(80, 24), run_before=typed)


def test_the_first_run(app: QmdApp, client: FakeClient, snap_compare: Compare) -> None:
    client.on(Status, status(index=index(collections=[], documents=0, size_bytes=0)))

    async def settled(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "qmd collection add PATH" in screen_text(pilot))

    assert snap_compare(app, terminal_size=(80, 24), run_before=settled)
