"""What this machine has that decides which models suit it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from qmd_daemon.weights.profiles import Machine


def detect(nvml: Callable[[], Any] = lambda: importlib.import_module("pynvml")) -> Machine:
    """Ask the driver for the memory of the largest card. No driver, no card: a machine without one."""
    try:
        driver = nvml()
        driver.nvmlInit()
        cards = [driver.nvmlDeviceGetHandleByIndex(index) for index in range(driver.nvmlDeviceGetCount())]
        return Machine(vram_bytes=max((int(driver.nvmlDeviceGetMemoryInfo(card).total) for card in cards), default=0))
    except Exception:  # noqa: BLE001 - whatever is wrong with a driver, there is no card to count on
        return Machine()
