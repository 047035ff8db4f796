"""What our own process takes of the memory that it computes in: of a card through NVML, of the machine as RSS."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any, Protocol


class Memory(Protocol):
    def used_bytes(self) -> int:
        """What this process takes; 0 when that cannot be told."""
        ...

    def free_bytes(self) -> int:
        """What nobody takes; 0 when that cannot be told."""
        ...


class Ram:
    """The resident memory of this process."""

    def used_bytes(self) -> int:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def free_bytes(self) -> int:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":") for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024


class Vram:
    """The memory of one card.

    In a container the driver knows us by another pid, and under WSL by none: there it is what the whole card
    takes now, less what it took before we came.
    """

    def __init__(self, index: int = 0, nvml: Callable[[], Any] = lambda: importlib.import_module("pynvml")) -> None:
        """Before the first use of the card. Raises whatever NVML does where there is none."""
        self._nvml = nvml()
        self._nvml.nvmlInit()
        self._card = self._nvml.nvmlDeviceGetHandleByIndex(index)
        self._before = int(self._nvml.nvmlDeviceGetMemoryInfo(self._card).used)

    def used_bytes(self) -> int:
        ours = [
            int(process.usedGpuMemory)
            for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(self._card)
            if process.pid == os.getpid() and process.usedGpuMemory is not None
        ]
        if ours:
            return sum(ours)
        return max(0, int(self._nvml.nvmlDeviceGetMemoryInfo(self._card).used) - self._before)

    def free_bytes(self) -> int:
        return int(self._nvml.nvmlDeviceGetMemoryInfo(self._card).free)


class Untold:
    """Memory that nothing tells about."""

    def used_bytes(self) -> int:
        return 0

    def free_bytes(self) -> int:
        return 0


def out_of_memory(error: Exception) -> bool:
    """Whether an error of CTranslate2, or of Python, says that there is no room, on either device."""
    return isinstance(error, MemoryError) or any(
        sign in str(error).lower() for sign in ("out of memory", "cublas_status_alloc_failed", "bad_alloc")
    )
