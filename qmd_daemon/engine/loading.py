"""Builds what computes: the model and its two lanes, on the device that works. For the worker only."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from qmd_daemon.engine import tuning
from qmd_daemon.engine.batcher import Batcher, Ticket
from qmd_daemon.engine.fake import FakeModel
from qmd_daemon.engine.frames import Load
from qmd_daemon.engine.lane import Lane
from qmd_daemon.engine.model import Model
from qmd_daemon.weights import catalog
from qmd_daemon.weights.prepare import prepare
from qmd_daemon.weights.verify import self_test

# Added to the niceness of the threads that index, so that those that answer a question run first.
BULK_NICE = 10
Begin = Callable[[Sequence[Ticket]], None]


class Plan(NamedTuple):
    """How the bulk lane works: its threads, the padded tokens of a batch, and the texts sorted by length together."""

    threads: int
    budget: int
    window: int


# On a CPU small batches stay in the cache: 256 tokens give 1.3 to 2 times the speed of 4096.
CPU = Plan(threads=2, budget=256, window=256)
CUDA = Plan(threads=1, budget=16_384, window=2048)


class Loaded(NamedTuple):
    """`express` answers questions, `bulk` does everything else."""

    express: Lane
    bulk: Lane
    device: str
    compute_type: str
    reason: str


def load(request: Load, begin: Begin, say: Callable[[str], None]) -> Loaded:
    """Load the model that is asked for; convert it first where that is due. Takes seconds.

    `begin` is for the lanes; `say` is told what there is to wait for. The calling thread is left with a lower
    priority. Raises QmdError, or RuntimeError from CTranslate2 when it can load the model on no device.
    """
    if request.engine == "fake":
        model = FakeModel()
        return Loaded(*_lanes(model, lambda: model, CPU, begin), "cpu", "float32", "")
    return _load_ct2(request, begin, say)


def _load_ct2(request: Load, begin: Begin, say: Callable[[str], None]) -> Loaded:
    # Only here: the fake engine does without.
    from qmd_daemon.engine.device import Device, candidates, cores, first_working
    from qmd_daemon.engine.embed import Ct2Model

    entry = catalog.get(request.model)

    def test(device: Device, directory: str) -> None:
        model = Ct2Model(entry, directory, device, 1)
        self_test(entry.name, lambda texts: model.embed(model.encode(texts, "document")))

    def attempt(device: Device) -> tuple[Ct2Model, str]:
        kind = device.compute_type
        directory = prepare(entry, request.models, kind, test=lambda new: test(device, new), say=say)
        say(f"loading {entry.name}")
        # On a GPU the replicas of one object share the weights, and one of them is always free for a question.
        model = Ct2Model(entry, directory, device, 2 if device.name == "cuda" else 1)
        model.embed(model.encode([entry.name], "query"))
        return model, directory

    device, (express, directory) = first_working(candidates(request.device), attempt)
    if device.name == "cuda":
        lanes = _lanes(express, lambda: express, CUDA, begin)
    else:
        replicas = request.threads or cores()
        # One thread more than replicas: the next batch is made ready while all of them compute.
        plan = CPU._replace(threads=replicas + 1)
        # An object of its own, since in a shared one a question waits behind a batch (94 ms instead of 3).
        lanes = _lanes(express, lambda: Ct2Model(entry, directory, device, replicas), plan, begin)
    tuning.trim()
    return Loaded(*lanes, device.name, device.compute_type, device.reason)


def _lanes(express: Model, bulk: Callable[[], Model], plan: Plan, begin: Begin) -> tuple[Lane, Lane]:
    first = Lane(express, Batcher(plan.budget, plan.window), 1, begin)
    # Linux gives each thread its own niceness, and a new one that of its maker: this thread, then the model's
    # own threads, then the lane's.
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BULK_NICE)
    return first, Lane(bulk(), Batcher(plan.budget, plan.window), plan.threads, begin)
