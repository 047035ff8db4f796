"""Which device computes, and in which precision. Imports ctranslate2: for the worker only."""

from __future__ import annotations

import ctypes
import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import ctranslate2
from msgspec import Struct
from msgspec.structs import replace

from qmd_daemon.engine.memory import out_of_memory

T = TypeVar("T")
# In the order of our preference, and why. Some cards refuse int8: https://github.com/OpenNMT/CTranslate2/issues/1865
_CUDA_ENCODER = {
    "float16": "as exact as needed, and no slower than int8 for an encoder",
    "int8_float16": "this card has no float16 alone",
    "float32": "this card computes nothing smaller",
}
_CUDA_DECODER = {
    "int8_float16": "half the memory of float16",
    "float16": "this card has no int8",
    "float32": "this card computes nothing smaller",
}
_CPU = {"int8": "the fastest on this CPU", "float32": "this CPU computes nothing smaller"}
# Only cuBLAS is missing from CTranslate2's wheel. In this order: the second needs the first.
_CUDA_LIBRARIES = ("libcublasLt.so.12", "libcublas.so.12")


class Device(Struct, frozen=True):
    """`why` it is this compute type. `reason`: why it is not the device that was asked for, or that is there.

    `fallback`: the one that was wanted may be usable later.
    """

    name: str
    compute_type: str
    why: str = ""
    reason: str = ""
    fallback: bool = False

    def instead(self, reason: str) -> Device:
        """This one in the place of a better one."""
        return replace(self, reason=reason, fallback=True)


def candidates(wanted: str, *, decoder: bool = False, given_up: str = "") -> list[Device]:
    """Return the devices to try, best first: the last is always the CPU. `wanted` is auto, cpu or cuda.

    `given_up` says why a card that is there does not work.
    """
    cpu = _best("cpu", _CPU)
    if wanted == "cpu":
        return [cpu]
    if given_up:
        return [cpu.instead(given_up)]
    if reason := _no_cuda():
        return [cpu.instead(f"wanted cuda: {reason}") if wanted == "cuda" else cpu]
    preload()
    return [_best("cuda", _CUDA_DECODER if decoder else _CUDA_ENCODER), cpu]


def preload() -> bool:
    """Load the CUDA libraries that pip has installed, so that CTranslate2 finds them. False when there are none."""
    try:
        spec = importlib.util.find_spec("nvidia.cublas")
    except (ImportError, ValueError):
        spec = None
    for root in (spec and spec.submodule_search_locations) or ():
        paths = [os.path.join(root, "lib", name) for name in _CUDA_LIBRARIES]
        try:
            for path in paths:
                ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return True
    return False


def first_working(devices: Sequence[Device], attempt: Callable[[Device], T]) -> tuple[Device, T]:
    """Return the first device on which `attempt` works, and what it returned.

    A model loads without cuBLAS and fails at its first product, so the attempt has to compute. Only a
    RuntimeError, CTranslate2's, leads to the next device, which then says why it is not the one before. When
    memory has run out, that is another matter: it is raised.
    """
    device, *others = devices
    try:
        return device, attempt(device)
    except RuntimeError as error:
        if not others or out_of_memory(error):
            raise
        following, *rest = others
        why = f"wanted {device.name}: {error}"
    return first_working([following.instead(why), *rest], attempt)


def cores() -> int:
    """The processors that we may use."""
    return len(os.sched_getaffinity(0))


def _no_cuda() -> str:
    try:
        return "" if ctranslate2.get_cuda_device_count() else "no NVIDIA driver"
    except RuntimeError as error:
        return str(error)


def _best(device: str, preferred: Mapping[str, str]) -> Device:
    supported = ctranslate2.get_supported_compute_types(device)
    kind = next(kind for kind in preferred if kind in supported)
    return Device(device, kind, preferred[kind])
