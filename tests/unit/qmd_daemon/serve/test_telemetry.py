from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from ipc.protocol import GpuSample
from qmd_daemon.serve.telemetry import Telemetry


async def test_every_reading_is_published_and_the_last_one_kept() -> None:
    readings = iter(GpuSample(at=float(n)) for n in range(1000))
    published: asyncio.Queue[object] = asyncio.Queue()
    async with Telemetry(lambda: next(readings), lambda *event: published.put_nowait(event), 0.001) as telemetry:
        first, second = await published.get(), await published.get()
        assert first == ("gpu", GpuSample(at=0.0))
        assert second == ("gpu", GpuSample(at=1.0))
        assert telemetry.last is not None
        assert telemetry.last.at >= 1.0


async def test_a_broken_meter_is_given_up() -> None:
    looked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def sample() -> GpuSample:
        loop.call_soon_threadsafe(looked.set)
        raise OSError("no such card")

    with capture_logs() as logs:
        async with Telemetry(sample, lambda *_: None) as telemetry:
            await looked.wait()
            await telemetry._measuring
    assert [line["event"] for line in logs] == ["telemetry.failed"]
    assert telemetry.last is None
