"""What is published: the first frame is the topic, the second the object."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, field

from ipc.protocol.parts import EngineStatus, Job
from ipc.protocol.terms import Topic

TOPICS: tuple[Topic, ...] = ("gpu", "job", "index", "models", "log")


class Card(Struct, frozen=True, kw_only=True):
    """One graphics card. None where the card or its driver does not tell."""

    index: int
    name: str
    utilization_ratio: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    memory_ours_bytes: int | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    clock_mhz: float | None = None


class GpuSample(Struct, frozen=True, kw_only=True):
    """One reading. `reason` says why there is no card. `worker_cpu`: 1.0 is one core busy.

    `machine_` is of all that runs on this machine. `ceiling_bytes`: what the worker may take of a card, or else of the
    memory; 0 without a limit. `queued`: texts that wait for it. `requests` are under way, by client class.

    These only grow, while the daemon runs: `answered` requests, by client class; `batches` that the models have
    computed, the `pieces` of texts in them, and their `tokens`. Two readings give a rate.
    """

    at: float
    cards: list[Card] = []
    reason: str = ""
    worker_pid: int = 0
    worker_cpu: float | None = None
    worker_memory_bytes: int | None = None
    machine_cpu_ratio: float | None = None
    machine_memory_used_bytes: int | None = None
    machine_memory_total_bytes: int | None = None
    ceiling_bytes: int = 0
    queued: int = 0
    requests: dict[str, int] = {}
    answered: dict[str, int] = {}
    batches: int = 0
    pieces: int = 0
    tokens: int = 0


class JobEvent(Struct, frozen=True, kw_only=True):
    job: Job


class IndexEvent(Struct, frozen=True, kw_only=True):
    """What is searchable has changed."""

    index: str
    seq: int


class ModelsEvent(Struct, frozen=True, kw_only=True):
    engine: EngineStatus


class LogEvent(Struct, frozen=True, kw_only=True):
    """A line of the daemon's log, without any query text."""

    at: float
    level: str
    event: str
    fields: dict[str, str] = field(default_factory=dict)


EVENTS: dict[Topic, type[Struct]] = {
    "gpu": GpuSample,
    "job": JobEvent,
    "index": IndexEvent,
    "models": ModelsEvent,
    "log": LogEvent,
}
# Parts of the daemon are handed this to tell the world; it never blocks and never raises.
Publish = Callable[[Topic, Struct], None]
