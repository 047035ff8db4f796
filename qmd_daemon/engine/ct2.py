"""Loads the models of CTranslate2, each role's, on the device that works and in the precision it is good at."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ipc.errors import QmdError
from qmd_daemon.engine import residency
from qmd_daemon.engine.device import Device, candidates, cores, first_working
from qmd_daemon.engine.embed import Embedder
from qmd_daemon.engine.expand import Expander
from qmd_daemon.engine.frames import Embed, Expand, Rerank, Start, Work
from qmd_daemon.engine.lane import Host
from qmd_daemon.engine.loading import ALONE, CPU, CUDA, Loaded, Say, one_lane, two_lanes
from qmd_daemon.engine.memory import Memory, Ram, Untold, Vram
from qmd_daemon.engine.model import Place, Priority, Role, Vectors
from qmd_daemon.engine.rerank import Reranker
from qmd_daemon.engine.role import Model
from qmd_daemon.weights.entry import DECODERS, Entry
from qmd_daemon.weights.prepare import location, prepare
from qmd_daemon.weights.verify import expansion_test, languages, reranker_test, self_test

# An embedder of up to so many bytes is loaded twice on a CPU, once for questions alone: in a shared object one
# waits behind a batch (94 ms instead of 3).
TWICE_BYTES = 200_000_000
# What a weight takes, by how it is stored; the catalog knows the sizes in int8.
_BYTES = {"int8": 1, "int8_float16": 1, "int8_bfloat16": 1, "int16": 2, "float16": 2, "bfloat16": 2, "float32": 4}
_WEIGHTS = "model.bin"
# Of all that is computed in passing, beside the weights.
_ACTIVATIONS = 1.15


class Ct2Loader:
    """Implements `loading.Loader`."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._no_cuda = ""  # why a card that is there was given up
        self._wants_cuda = start.device != "cpu" and self._candidates("embedding")[0].name == "cuda"
        self._vram = _vram() if self._wants_cuda else None
        self._ram = Ram()

    @property
    def memory(self) -> Memory:
        return self._vram or self._ram

    @property
    def ceiling_bytes(self) -> int:
        start = self._start
        if self._vram is None:
            return start.max_ram_bytes
        return residency.ceiling(start.max_vram_bytes, self._vram.used_bytes(), self._vram.free_bytes())

    def adopt(self, entry: Entry) -> None:
        self._start.chosen.setdefault("former", entry)

    def name(self, role: Place) -> str:
        return self._start.chosen[role].name

    def estimate_bytes(self, role: Place) -> int:
        entry, device = self._start.chosen[role], self._candidates(role)[0]
        try:
            weights = os.path.getsize(os.path.join(location(entry, self._start.models, device.compute_type), _WEIGHTS))
        except OSError:
            weights = entry.converted_bytes * _BYTES.get(device.compute_type, 1)
        return int(weights * _ACTIVATIONS * (2 if self._is_twice(role, device) else 1))

    def load(self, role: Place, host: Host, say: Say, no_room: str = "") -> Loaded:
        entry = self._start.chosen[role]
        devices = self._candidates(role)
        if no_room:
            if devices[0].name != "cuda":
                raise QmdError("unavailable", no_room, "Raise [engine] max_ram, or choose a smaller model.")
            devices = [devices[-1].instead(f"wanted cuda: {no_room}")]

        def attempt(device: Device) -> tuple[Model, str]:
            directory = prepare(
                entry,
                self._start.models,
                device.compute_type,
                test=lambda new: _test(_make(entry, new, device, 1), entry),
                say=say,
            )
            say(f"loading {entry.name}")
            model = _make(entry, directory, device, self._replicas(role, device))
            _try_out(model, entry)
            return model, directory

        device, (model, directory) = first_working(devices, attempt)
        if devices[0].name == "cuda" and device.name != "cuda":
            self._no_cuda, self._vram = device.reason, None
        return self._lanes(role, model, directory, device, host)

    def _lanes(self, role: Place, model: Model, directory: str, device: Device, host: Host) -> Loaded:
        entry = self._start.chosen[role]
        # On a CPU one thread more than replicas: the next batch is made ready while all of them compute.
        plan = CUDA if device.name == "cuda" else CPU._replace(threads=self._cores() + 1)
        objects = [model]

        def bulk() -> Model:
            if self._is_twice(role, device):
                objects.append(_make(entry, directory, device, self._cores()))
            return objects[-1]

        match role:
            case "embedding":
                lanes = two_lanes(model, bulk, plan, host)
            case "reranker" | "former":
                lanes = one_lane(model, plan, host)
            case "expansion":
                lanes = one_lane(model, ALONE, host)
        reason, fallback = device.reason, device.fallback
        return Loaded(*lanes, tuple(objects), device.name, device.compute_type, device.why, reason, fallback)

    def _is_twice(self, role: Place, device: Device) -> bool:
        """Whether questions have an object of their own. The former embedder has nothing but questions."""
        small = self._start.chosen[role].converted_bytes <= TWICE_BYTES
        return role == "embedding" and device.name == "cpu" and small

    def _candidates(self, role: Place) -> list[Device]:
        entry = self._start.chosen[role]
        return candidates(self._start.device, decoder=entry.family in DECODERS, given_up=self._no_cuda)

    def _replicas(self, role: Place, device: Device) -> int:
        if role == "expansion" or self._is_twice(role, device):
            return 1
        # On a GPU the replicas of one object share the weights, and one of them is always free for a question.
        return 2 if device.name == "cuda" else self._cores()

    def _cores(self) -> int:
        return self._start.threads or cores()


def trial(entry: Entry, models: str, wanted: str, say: Say) -> Device:
    """Convert a model where that is due, and test it on the device that works, which is returned.

    Raises QmdError when it is not there or does not do what it must, or RuntimeError when no device can load it.
    """

    def test(directory: str, device: Device) -> None:
        _test(_make(entry, directory, device, 1), entry)

    def attempt(device: Device) -> None:
        kind = device.compute_type
        directory = prepare(entry, models, kind, test=lambda new: test(new, device), say=say)
        say(f"testing {entry.name}")
        test(directory, device)

    device, _ = first_working(candidates(wanted, decoder=entry.family in DECODERS), attempt)
    return device


def _make(entry: Entry, directory: str, device: Device, replicas: int) -> Model:
    match entry.role:
        case "embedding":
            return Embedder(entry, directory, device, replicas)
        case "reranker":
            return Reranker(entry, directory, device, replicas)
    return Expander(entry, directory, device, threads=cores() if device.name == "cpu" else 1)


def _try_out(model: Model, entry: Entry) -> None:
    """Compute something: a model loads without cuBLAS, and fails at its first product."""
    requests: dict[Role, Work] = {
        "embedding": Embed(0, Priority.AGENT, [entry.name], "query"),
        "reranker": Rerank(0, Priority.AGENT, entry.name, [entry.name]),
        "expansion": Expand(0, Priority.AGENT, entry.name, ["lex"]),
    }
    began = time.monotonic()
    # A line is a second's work on a CPU: its first word is enough.
    model.compute(model.encode(requests[entry.role]), lambda: time.monotonic() == began)


def _test(model: Model, entry: Entry) -> None:
    """Whether a model that was just converted makes sense. Raises QmdError when it does not."""

    def answer(request: Work) -> Any:
        pieces = model.encode(request)
        return model.answer(request, pieces, list(model.compute(pieces, lambda: True)))

    def embed(texts: Sequence[str]) -> Vectors:
        vectors = answer(Embed(0, Priority.AGENT, list(texts), "document")).vectors
        return np.frombuffer(vectors, np.float32).reshape(len(texts), -1)

    def judge(query: str, documents: Sequence[str]) -> list[float]:
        return [score.raw for score in answer(Rerank(0, Priority.AGENT, query, list(documents))).scores]

    def expand(query: str) -> str:
        lines = answer(Expand(0, Priority.AGENT, query, ["lex", "vec"])).lines
        return "\n".join(f"{line.kind}: {line.text}" for line in lines)

    known = languages(entry)

    match entry.role:
        case "embedding":
            self_test(entry.name, embed, known)
        case "reranker":
            reranker_test(entry.name, judge, known)
        case "expansion":
            expansion_test(entry.name, expand, known)
    model.close()


def _vram() -> Memory:
    try:
        return Vram()
    except Exception:  # noqa: BLE001 - NVML's errors are of many kinds, and a meter is not worth a model
        return Untold()
