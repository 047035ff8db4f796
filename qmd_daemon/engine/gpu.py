"""The meter: what the graphics cards and the model worker are doing now.

No card, no driver and a missing sensor are readings, not errors: each field that cannot be read is None.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psutil  # type: ignore[import-untyped]

from ipc.protocol import Card, GpuSample

T = TypeVar("T")
# How long "no driver" is believed before it is asked for again: it may be loaded later.
RETRY_S = 60.0


class Meter:
    """Reads the cards through NVML, and the worker's process through the system. Used by one thread at a time."""

    def __init__(
        self,
        worker_pid: Callable[[], int],
        nvml: Callable[[], Any] = lambda: importlib.import_module("pynvml"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`worker_pid` returns 0 when there is no worker; `nvml` returns the module pynvml."""
        self._worker_pid = worker_pid
        self._import = nvml
        self._clock = clock
        self._nvml: Any = None
        self._reason = ""
        self._retry_at = 0.0
        self._process: psutil.Process | None = None

    def sample(self) -> GpuSample:
        """Take a reading. Blocks for some milliseconds (the first one longer); never raises."""
        pid = self._worker_pid()
        cpu, memory_bytes = self._worker(pid)
        cards = self._cards(pid) if self._connected() else []
        return GpuSample(
            at=time.time(),
            cards=cards,
            reason="" if cards else self._reason or "no NVIDIA card",
            worker_pid=pid,
            worker_cpu=cpu,
            worker_memory_bytes=memory_bytes,
            **_machine(),
        )

    def _worker(self, pid: int) -> tuple[float | None, int | None]:
        if not pid:
            self._process = None
            return None, None
        try:
            if self._process is not None and self._process.pid == pid:
                cpu: float | None = self._process.cpu_percent() / 100
            else:
                self._process = psutil.Process(pid)
                self._process.cpu_percent()  # what the next reading is compared with
                cpu = None
            return cpu, self._process.memory_info().rss
        except psutil.Error:  # it has just ended
            self._process = None
            return None, None

    def _connected(self) -> bool:
        if self._nvml is not None:
            return True
        if self._clock() < self._retry_at:
            return False
        self._retry_at = self._clock() + RETRY_S
        try:
            nvml = self._import()
            nvml.nvmlInit()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a driver, there is no reading
            self._reason = _plain(error)
            return False
        self._nvml, self._reason = nvml, ""
        return True

    def _cards(self, pid: int) -> list[Card]:
        count = self._ask(self._nvml.nvmlDeviceGetCount)
        if count is None:  # the driver was unloaded, or updated below us
            self._nvml, self._reason = None, "the NVIDIA driver does not answer"
        return [card for index in range(count or 0) if (card := self._card(index, pid))]

    def _card(self, index: int, pid: int) -> Card | None:
        nvml = self._nvml
        handle = self._ask(nvml.nvmlDeviceGetHandleByIndex, index)
        if handle is None:
            return None
        memory = self._ask(nvml.nvmlDeviceGetMemoryInfo, handle)
        rates = self._ask(nvml.nvmlDeviceGetUtilizationRates, handle)
        milliwatts = self._ask(nvml.nvmlDeviceGetPowerUsage, handle)
        name = self._ask(nvml.nvmlDeviceGetName, handle)
        return Card(
            index=index,
            name=name.decode() if isinstance(name, bytes) else name or "unknown",
            utilization_ratio=rates.gpu / 100 if rates else None,
            memory_used_bytes=memory.used if memory else None,
            memory_total_bytes=memory.total if memory else None,
            memory_ours_bytes=self._ours(handle, pid),
            temperature_c=self._ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
            power_w=milliwatts / 1000 if milliwatts is not None else None,
            clock_mhz=self._ask(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM),
        )

    def _ours(self, handle: Any, pid: int) -> int | None:
        """The worker's memory on a card: 0 when it has none there, None when the card does not tell."""
        running = self._ask(self._nvml.nvmlDeviceGetComputeRunningProcesses, handle)
        if running is None:
            return None
        ours = [process.usedGpuMemory for process in running if process.pid == pid]
        return None if None in ours else sum(ours)

    def _ask(self, question: Callable[..., T], *arguments: Any) -> T | None:
        try:
            return question(*arguments)
        except Exception:  # noqa: BLE001 - a sensor that is missing has many ways to say so
            return None


def _machine() -> dict[str, Any]:
    """What all programs together take of the machine; the first share of the processors is 0."""
    try:
        memory = psutil.virtual_memory()
        return {
            "machine_cpu_ratio": psutil.cpu_percent() / 100,
            "machine_memory_used_bytes": memory.total - memory.available,
            "machine_memory_total_bytes": memory.total,
        }
    except (psutil.Error, OSError):  # a container without /proc
        return {}


def _plain(error: Exception) -> str:
    """The reason for a person: NVML has its own classes of error for the two usual ones."""
    if isinstance(error, ImportError):
        return "the package nvidia-ml-py is not installed"
    if type(error).__name__ in {"NVMLError_LibraryNotFound", "NVMLError_DriverNotLoaded"}:
        return "no NVIDIA driver"
    return f"NVML: {error}"
