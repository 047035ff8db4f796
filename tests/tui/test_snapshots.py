"""What the screens look like. After a change that is meant: `pytest tests/tui/test_snapshots.py --snapshot-update`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from ipc.protocol import Card, GpuSample, Hit, SearchReply, Status
from ipc.testing import FakeClient
from qmd_tui.app import QmdApp
from tests.tui.library import Line, ask, fused, hit, index, lexical, quick, screen_text, status, until

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


@pytest.fixture(autouse=True)
def _readings(client: FakeClient) -> None:
    client.on(Status, status(gpu=GpuSample(at=1.0, cards=[CARD], worker_pid=7)))


async def _typed(pilot: Pilot[None]) -> None:
    await ask(pilot, "vector")
    await pilot.press("down")
    await until(pilot, lambda: "notes/n1.md · 1,000 lines" in screen_text(pilot))


def _with_chinese(reply: SearchReply) -> SearchReply:
    start = CHINESE.index("显存")
    found: list[Hit] = [hit(1, snippet=CHINESE, matches=[(start, start + 4)], line=7), *reply.results[:3]]
    return type(reply)(results=found, stage=reply.stage, stages=reply.stages)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("theme", ["qmd-dark", "qmd-light"])
def test_results(line: Line, snap_compare: Compare, size: tuple[int, int], theme: str) -> None:
    app = QmdApp(line, quick(theme=theme))
    assert snap_compare(app, terminal_size=size, run_before=_typed)


def test_small(app: QmdApp, snap_compare: Compare) -> None:
    async def typed(pilot: Pilot[None]) -> None:
        await ask(pilot, "vector")

    assert snap_compare(app, terminal_size=(40, 12), run_before=typed)


def test_chinese(app: QmdApp, client: FakeClient, snap_compare: Compare) -> None:
    from ipc.protocol import Query, Search

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


def test_help(app: QmdApp, snap_compare: Compare) -> None:
    async def opened(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "Type to search" in screen_text(pilot))
        await pilot.press("f1")
        await until(pilot, lambda: "Previous result" in screen_text(pilot))

    assert snap_compare(app, terminal_size=(80, 24), run_before=opened)
