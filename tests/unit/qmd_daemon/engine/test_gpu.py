from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from ipc.protocol import Card
from qmd_daemon.engine.gpu import RETRY_S, Meter

GIB = 1024**3


class NVMLError(Exception):
    pass


class NVMLError_DriverNotLoaded(NVMLError):  # noqa: N801 - as pynvml calls it
    pass


class FakeNvml:
    """One card, as pynvml shows it. `broken` names the functions that fail."""

    NVMLError = NVMLError
    NVML_TEMPERATURE_GPU = 0
    NVML_CLOCK_SM = 1

    def __init__(self, **answers: Any) -> None:
        self.broken: set[str] = set()
        self.inits = 0
        self.answers = {
            "DeviceGetCount": 1,
            "DeviceGetHandleByIndex": "card",
            "DeviceGetName": "H100",
            "DeviceGetMemoryInfo": SimpleNamespace(used=2 * GIB, total=80 * GIB),
            "DeviceGetUtilizationRates": SimpleNamespace(gpu=37, memory=5),
            "DeviceGetPowerUsage": 71_500,
            "DeviceGetTemperature": 45,
            "DeviceGetClockInfo": 1980,
            "DeviceGetComputeRunningProcesses": [
                SimpleNamespace(pid=os.getpid(), usedGpuMemory=GIB),
                SimpleNamespace(pid=1, usedGpuMemory=5 * GIB),
            ],
            **answers,
        }

    def nvmlInit(self) -> None:  # noqa: N802
        self.inits += 1

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            if name in self.broken:
                raise NVMLError(name)
            return self.answers[name.removeprefix("nvml")]

        return call


FULL = Card(
    index=0,
    name="H100",
    utilization_ratio=0.37,
    memory_used_bytes=2 * GIB,
    memory_total_bytes=80 * GIB,
    memory_ours_bytes=GIB,
    temperature_c=45,
    power_w=71.5,
    clock_mhz=1980,
)


def meter(nvml: Any, pid: int = os.getpid()) -> Meter:
    return Meter(lambda: pid, lambda: nvml)


def test_a_card_with_all_its_sensors() -> None:
    sample = meter(FakeNvml()).sample()
    assert sample.cards == [FULL]
    assert sample.reason == ""


@pytest.mark.parametrize(
    ("function", "field"),
    [
        ("nvmlDeviceGetUtilizationRates", "utilization_ratio"),
        ("nvmlDeviceGetMemoryInfo", "memory_used_bytes"),
        ("nvmlDeviceGetMemoryInfo", "memory_total_bytes"),
        ("nvmlDeviceGetTemperature", "temperature_c"),
        ("nvmlDeviceGetPowerUsage", "power_w"),
        ("nvmlDeviceGetClockInfo", "clock_mhz"),
        ("nvmlDeviceGetComputeRunningProcesses", "memory_ours_bytes"),
    ],
)
def test_a_sensor_that_fails_costs_its_own_fields_only(function: str, field: str) -> None:
    nvml = FakeNvml()
    nvml.broken = {function}
    (card,) = meter(nvml).sample().cards
    assert getattr(card, field) is None
    assert card.name == "H100"
    assert sum(getattr(card, name) is None for name in Card.__struct_fields__) <= 2


@pytest.mark.parametrize(
    ("processes", "expected"),
    [([], 0), ([SimpleNamespace(pid=os.getpid(), usedGpuMemory=None)], None)],
)
def test_our_memory_is_nothing_or_unknown(processes: list[Any], expected: int | None) -> None:
    (card,) = meter(FakeNvml(DeviceGetComputeRunningProcesses=processes)).sample().cards
    assert card.memory_ours_bytes == expected


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NVMLError_DriverNotLoaded(), "no NVIDIA driver"),
        (NVMLError("Insufficient Permissions"), "NVML: Insufficient Permissions"),
        (ImportError("pynvml"), "the package nvidia-ml-py is not installed"),
    ],
)
def test_no_driver_is_a_reading_too(error: Exception, reason: str) -> None:
    def nvml() -> Any:
        raise error

    sample = Meter(lambda: 0, nvml).sample()
    assert sample.cards == []
    assert sample.reason == reason


def test_a_driver_without_a_card() -> None:
    assert meter(FakeNvml(DeviceGetCount=0)).sample().reason == "no NVIDIA card"


def test_a_driver_that_comes_later_is_found_after_a_while() -> None:
    now = 0.0
    answers: list[Any] = [NVMLError_DriverNotLoaded(), FakeNvml()]
    asked: list[float] = []

    def nvml() -> Any:
        asked.append(now)
        if isinstance(answer := answers[len(asked) - 1], Exception):
            raise answer
        return answer

    meter = Meter(lambda: 0, nvml, clock=lambda: now)
    assert meter.sample().cards == []
    now = RETRY_S - 1
    assert meter.sample().cards == []
    now = RETRY_S
    assert len(meter.sample().cards) == 1
    assert asked == [0.0, RETRY_S]


def test_a_driver_that_goes_is_said_and_connected_to_again() -> None:
    now = 0.0
    nvml = FakeNvml()
    meter = Meter(lambda: 0, lambda: nvml, clock=lambda: now)
    assert meter.sample().cards
    nvml.broken = {"nvmlDeviceGetCount"}
    assert meter.sample().reason == "the NVIDIA driver does not answer"
    nvml.broken = set()
    now = 2 * RETRY_S
    assert meter.sample().cards
    assert nvml.inits == 2


def test_the_worker_is_measured() -> None:
    running = meter(FakeNvml())
    first, second = running.sample(), running.sample()
    assert first.worker_pid == os.getpid()
    assert first.worker_cpu is None  # nothing to compare with yet
    assert second.worker_cpu is not None
    assert second.worker_memory_bytes is not None
    assert second.worker_memory_bytes > 0


@pytest.mark.parametrize("pid", [0, 2**22 + 1])
def test_no_worker_or_one_that_has_ended(pid: int) -> None:
    sample = meter(FakeNvml(), pid).sample()
    assert sample.worker_cpu is None
    assert sample.worker_memory_bytes is None
