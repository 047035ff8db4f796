from __future__ import annotations

import mmap
import os
from types import SimpleNamespace

import pytest

from qmd_daemon.engine.memory import Ram, Vram, out_of_memory


class Nvml:
    """A card of 1000 bytes, 300 of them taken before we come."""

    def __init__(self) -> None:
        self.used = 300
        self.processes: list[SimpleNamespace] = []

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's own names
        pass

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetMemoryInfo(self, _: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(used=self.used, free=1000 - self.used)

    def nvmlDeviceGetComputeRunningProcesses(self, _: int) -> list[SimpleNamespace]:  # noqa: N802
        return self.processes


def test_our_own_memory_on_the_card() -> None:
    nvml = Nvml()
    vram = Vram(nvml=lambda: nvml)
    assert (vram.used_bytes(), vram.free_bytes()) == (0, 700)
    nvml.used = 700
    nvml.processes = [SimpleNamespace(pid=os.getpid(), usedGpuMemory=150), SimpleNamespace(pid=1, usedGpuMemory=550)]
    assert (vram.used_bytes(), vram.free_bytes()) == (150, 300)


@pytest.mark.parametrize(
    "processes",
    [[], [SimpleNamespace(pid=1, usedGpuMemory=250)], [SimpleNamespace(pid=os.getpid(), usedGpuMemory=None)]],
)
def test_where_the_driver_does_not_know_us_it_is_what_came_with_us(processes: list[SimpleNamespace]) -> None:
    nvml = Nvml()
    vram = Vram(nvml=lambda: nvml)
    nvml.used, nvml.processes = 550, processes
    assert vram.used_bytes() == 250
    nvml.used = 100  # somebody else has gone
    assert vram.used_bytes() == 0


def test_our_own_memory_of_the_machine() -> None:
    ram = Ram()
    before = ram.used_bytes()
    # Pages of its own: an allocator might have some left.
    with mmap.mmap(-1, 64 << 20) as ballast:
        for at in range(0, len(ballast), mmap.PAGESIZE):
            ballast[at] = 1
        assert ram.used_bytes() >= before + len(ballast) // 2
    assert ram.free_bytes() > 0


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (RuntimeError("CUDA failed with error out of memory"), True),
        (RuntimeError("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED"), True),
        (MemoryError(), True),
        (RuntimeError("Library libcublas.so.12 is not found"), False),
        (ValueError("an empty batch"), False),
    ],
)
def test_which_errors_mean_that_there_is_no_room(error: Exception, full: bool) -> None:
    assert out_of_memory(error) is full
