"""Builds what computes: a role's model and its lanes, on the device that works. For the worker only."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol

from qmd_daemon.engine import fake
from qmd_daemon.engine.batcher import Batcher, Ticket
from qmd_daemon.engine.frames import Start, weight
from qmd_daemon.engine.lane import Host, Lane
from qmd_daemon.engine.memory import Memory, Ram
from qmd_daemon.engine.model import Place, Priority
from qmd_daemon.engine.role import Model
from qmd_daemon.weights.entry import Entry

# Added to the niceness of the threads that index, so that those that answer a question run first.
BULK_NICE = 10
# A question is a text, or a few. More than that is work, whoever asks: it must not keep a question waiting.
EXPRESS_WEIGHT = 8
Say = Callable[[str], None]


class Plan(NamedTuple):
    """How a lane works: its threads, the padded tokens of a batch, and the pieces sorted by length together."""

    threads: int
    budget: int
    window: int


# On a CPU small batches stay in the cache: 256 tokens give 1.3 to 2 times the speed of 4096.
CPU = Plan(threads=2, budget=256, window=256)
CUDA = Plan(threads=1, budget=16_384, window=2048)
# One request after the other: what is generated then depends on nothing but the request.
ALONE = Plan(threads=1, budget=1, window=1)


class Loaded(NamedTuple):
    """A model at work. `express` answers questions, `bulk` does everything else; they may be the same.

    `models` are its objects, each with the weights in memory. `why` explains the compute type, `reason` the device,
    where `fallback`: it is not the one that was wanted.
    """

    express: Lane
    bulk: Lane
    models: tuple[Model, ...]
    device: str
    compute_type: str
    why: str = ""
    reason: str = ""
    fallback: bool = False

    def submit(self, ticket: Ticket) -> None:
        request = ticket.request
        small = request.priority == Priority.INTERACTIVE and weight(request) <= EXPRESS_WEIGHT
        (self.express if small else self.bulk).submit(ticket)

    def busy_s(self) -> float:
        return max(self.express.busy_s(), self.bulk.busy_s())

    def close(self) -> list[Ticket]:
        """Finish the running batches, and free the memory. Returns the tickets that are not done."""
        left = [ticket for lane in dict.fromkeys((self.express, self.bulk)) for ticket in lane.close()]
        for model in self.models:
            model.close()
        return left


class Loader(Protocol):
    """Knows the model of each role, and how to load it."""

    @property
    def memory(self) -> Memory:
        """Where the models are."""
        ...

    @property
    def ceiling_bytes(self) -> int:
        """What this process may take there; 0: there is no ceiling."""
        ...

    def adopt(self, entry: Entry) -> None:
        """Know the embedder that was used before, unless one is known. From any thread."""
        ...

    def name(self, role: Place) -> str: ...

    def estimate_bytes(self, role: Place) -> int:
        """What the role's model will take, before it is loaded."""
        ...

    def load(self, role: Place, host: Host, say: Say, no_room: str = "") -> Loaded:
        """Load it; convert it first where that is due. Takes seconds, and may leave the thread a lower priority.

        `say` is told what there is to wait for. `no_room` says why there is no room for it where it would go
        first. Raises QmdError, or RuntimeError from CTranslate2.
        """
        ...


class FakeLoader:
    """For the fake engine: in every role a model without weights."""

    def __init__(self, start: Start) -> None:
        self.memory: Memory = Ram()
        self.ceiling_bytes = start.max_ram_bytes

    def adopt(self, entry: Entry) -> None:
        """There is only one fake embedder."""

    def name(self, role: Place) -> str:
        return fake.INFOS["embedding" if role == "former" else role].name

    def estimate_bytes(self, role: Place) -> int:
        return 0

    def load(self, role: Place, host: Host, say: Say, no_room: str = "") -> Loaded:
        model = fake.load("embedding" if role == "former" else role)
        return Loaded(*two_lanes(model, lambda: model, CPU, host), (model,), "cpu", "float32")


def make_loader(start: Start) -> Loader:
    if start.engine == "fake":
        return FakeLoader(start)
    # Only here: the fake engine does without CTranslate2.
    from qmd_daemon.engine.ct2 import Ct2Loader

    return Ct2Loader(start)


def one_lane(model: Model, plan: Plan, host: Host) -> tuple[Lane, Lane]:
    """The same lane for everything."""
    lane = Lane(model, Batcher(plan.budget, plan.window), plan.threads, host)
    return lane, lane


def two_lanes(express: Model, bulk: Callable[[], Model], plan: Plan, host: Host) -> tuple[Lane, Lane]:
    first = Lane(express, Batcher(plan.budget, plan.window), 1, host)
    # Linux gives each thread its own niceness, and a new one that of its maker: this thread, then the model's
    # own threads, then the lane's.
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BULK_NICE)
    return first, Lane(bulk(), Batcher(plan.budget, plan.window), plan.threads, host)
