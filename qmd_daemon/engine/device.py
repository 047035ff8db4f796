"""Which device computes, and in which precision. Imports ctranslate2: for the worker only."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

import ctranslate2
from msgspec import Struct

T = TypeVar("T")
# In the order of our preference. On a GPU, float16 is as exact as needed and no slower for encoders of this
# size, and some cards refuse int8 (https://github.com/OpenNMT/CTranslate2/issues/1865).
_CUDA_TYPES = ("float16", "int8_float16", "float32")
_CPU_TYPES = ("int8", "float32")


class Device(Struct, frozen=True):
    """`reason`: why it is not what was asked for, or not the GPU that is there; "" when nothing needs saying."""

    name: str
    compute_type: str
    reason: str = ""


def candidates(wanted: str) -> list[Device]:
    """Return the devices to try, best first: the last is always the CPU. `wanted` is auto, cpu or cuda."""
    reason = _no_cuda() if wanted != "cpu" else ""
    cpu = Device("cpu", _best("cpu", _CPU_TYPES), f"wanted cuda: {reason}" if wanted == "cuda" else "")
    if wanted == "cpu" or reason:
        return [cpu]
    return [Device("cuda", _best("cuda", _CUDA_TYPES)), cpu]


def first_working(devices: Sequence[Device], attempt: Callable[[Device], T]) -> tuple[Device, T]:
    """Return the first device on which `attempt` works, and what it returned.

    A model loads without cuBLAS and fails at its first product, so the attempt has to compute. Only a
    RuntimeError, CTranslate2's, leads to the next device, which then says why it is not the one before.
    """
    device, *others = devices
    try:
        return device, attempt(device)
    except RuntimeError as error:
        if not others:
            raise
        why = f"wanted {device.name}: {error}"
    following = Device(others[0].name, others[0].compute_type, why)
    return first_working([following, *others[1:]], attempt)


def cores() -> int:
    """The processors that we may use."""
    return len(os.sched_getaffinity(0))


def _no_cuda() -> str:
    try:
        return "" if ctranslate2.get_cuda_device_count() else "no NVIDIA driver"
    except RuntimeError as error:
        return str(error)


def _best(device: str, preferred: Sequence[str]) -> str:
    supported = ctranslate2.get_supported_compute_types(device)
    return next(kind for kind in preferred if kind in supported)
