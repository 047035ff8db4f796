"""The meter: every card, every missing sensor and no card at all are normal."""

from __future__ import annotations

from ipc.protocol import Card, GpuSample
from ipc.testing import FakeClient
from qmd_tui.app import QmdApp
from qmd_tui.widgets.meter import HISTORY, History, forms
from tests.tui.library import screen_text, until

GIB = 1 << 30
CARD = Card(
    index=0,
    name="NVIDIA GeForce RTX 4090",
    utilization_ratio=0.43,
    memory_used_bytes=5 * GIB,
    memory_total_bytes=24 * GIB,
    memory_ours_bytes=1200 << 20,
    temperature_c=61.0,
    power_w=210.4,
)


def meter(*samples: GpuSample) -> list[str]:
    history = History()
    for sample in samples:
        history.add(sample)
    return forms(history)


def test_a_card_says_everything_and_less_where_there_is_less_room() -> None:
    shown = meter(GpuSample(at=1.0, cards=[CARD], worker_pid=7))
    assert shown[0] == "NVIDIA GeForce RTX 4090 ▄ 43% 5.0G/24G (ours 1.2G) 61°C 210W"
    assert shown[1] == "RTX 4090 ▄ 43% 5.0G/24G (ours 1.2G) 61°C 210W"
    assert shown[-1] == "GPU 43%"
    assert [len(form) for form in shown] == sorted((len(form) for form in shown), reverse=True)


def test_a_missing_sensor_is_left_out_alone() -> None:
    card = Card(index=0, name="Tesla P40", memory_total_bytes=24 * GIB, temperature_c=40.0)
    assert meter(GpuSample(at=1.0, cards=[card]))[0] == "Tesla P40 ▁ 24G 40°C"
    assert meter(GpuSample(at=1.0, cards=[Card(index=0, name="X")]))[0] == "X ▁"


def test_of_several_cards_the_one_that_we_use_is_shown() -> None:
    other = Card(index=1, name="B", utilization_ratio=1.0, memory_ours_bytes=2000 << 20)
    assert meter(GpuSample(at=1.0, cards=[CARD, other]))[0].startswith("B +1 █ 100%")


def test_without_a_card_the_reason_and_the_worker_are_shown() -> None:
    sample = GpuSample(at=1.0, reason="no NVIDIA driver", worker_pid=7, worker_cpu=1.87, worker_memory_bytes=312 << 20)
    assert meter(sample)[0] == "no GPU: no NVIDIA driver · worker █ 187% CPU 312M"
    assert meter(sample)[-1] == "CPU 187%"


def test_a_worker_that_is_off_is_said_to_be() -> None:
    assert meter(GpuSample(at=1.0, reason="no driver"))[0] == "no GPU: no driver · worker off"


def test_the_sparkline_is_of_the_last_readings() -> None:
    samples = [GpuSample(at=float(n), reason="x", worker_pid=1, worker_cpu=n / 100) for n in range(200)]
    history = History()
    for sample in samples:
        history.add(sample)
    assert len(history.ratios) == HISTORY
    assert "████████" in forms(history)[0]


def test_before_the_first_reading_there_is_nothing() -> None:
    assert forms(History()) == [""]


async def test_readings_reach_the_bar_as_events(app: QmdApp, client: FakeClient) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: client.listeners)
        client.emit("gpu", GpuSample(at=1.0, cards=[CARD]))
        await until(pilot, lambda: "RTX 4090 ▄ 43% 5.0G/24G (ours 1.2G) 61°C 210W" in screen_text(pilot))
        client.emit("gpu", GpuSample(at=2.0, reason="no NVIDIA driver"))
        await until(pilot, lambda: "no GPU: no NVIDIA driver · worker off" in screen_text(pilot))


async def test_a_small_terminal_gets_a_short_meter(app: QmdApp, client: FakeClient) -> None:
    async with app.run_test(size=(40, 12)) as pilot:
        await until(pilot, lambda: client.listeners)
        client.emit("gpu", GpuSample(at=1.0, cards=[CARD]))
        await until(pilot, lambda: "GPU 43%" in screen_text(pilot))
