"""/metrics: what was counted, and how things stand at this moment, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from ipc.protocol import EngineStatus, GpuSample, IndexStatus, Job
from qmd_daemon.grants import Grant


class Standing(NamedTuple):
    """How things stand. `indexes` are those that are open."""

    version: str
    uptime_s: float
    ready: bool
    in_flight: int
    connections: int
    engine: EngineStatus
    gpu: GpuSample | None
    indexes: Sequence[IndexStatus]
    jobs: Sequence[Job]


def render(standing: Standing, counted: CollectorRegistry, grant: Grant | None) -> bytes:
    """The whole; for a grant with collections only what says nothing of others and their documents."""
    restricted = grant is not None and bool(grant.collections)
    registry = CollectorRegistry()
    registry.register(_Standing(standing, grant))
    now = generate_latest(registry)
    return now if restricted else now + generate_latest(counted)


class _Standing(Collector):
    def __init__(self, standing: Standing, grant: Grant | None) -> None:
        self._standing = standing
        self._grant = grant

    def collect(self) -> Iterator[Metric]:
        standing, grant = self._standing, self._grant
        yield _gauge("qmd_build_info", "The version, as a label.", {"version": standing.version}, 1)
        yield _gauge("qmd_uptime_seconds", "Since the daemon has started.", {}, standing.uptime_s)
        yield _gauge("qmd_ready", "1 when it answers requests.", {}, standing.ready)
        yield from _engine(standing.engine)
        yield from _gpu(standing.gpu)
        yield _documents(standing.indexes, grant)
        if grant is None or not grant.collections:
            yield _gauge("qmd_requests_in_flight", "Requests under way.", {}, standing.in_flight)
            yield _gauge("qmd_http_connections", "Connections that are open.", {}, standing.connections)
            seen = [one for one in standing.indexes if grant is None or one.name == grant.index]
            yield from _indexes(seen)
            jobs = [job for job in standing.jobs if grant is None or job.index in {"", grant.index}]
            yield from _jobs(jobs)


def _gauge(name: str, help: str, labels: dict[str, str], value: float) -> GaugeMetricFamily:  # noqa: A002
    family = GaugeMetricFamily(name, help, labels=list(labels))
    family.add_metric(list(labels.values()), float(value))
    return family


def _counter(name: str, help: str, value: float) -> CounterMetricFamily:  # noqa: A002
    family = CounterMetricFamily(name, help)
    family.add_metric([], value)
    return family


def _engine(engine: EngineStatus) -> Iterator[Metric]:
    yield _gauge("qmd_queue_texts", "Texts that wait for a model.", {}, engine.queued)
    yield _counter("qmd_worker_restarts", "How often the model worker was replaced.", engine.restarts)
    yield _gauge("qmd_worker_up", "1 when there is a model worker.", {}, engine.pid > 0)
    yield _gauge("qmd_engine_fallback", "1 when a model is not on the device that was wanted.", {}, engine.fallback)
    loaded = GaugeMetricFamily("qmd_model_ready", "1 when it is in memory.", labels=["role", "model", "device"])
    size = GaugeMetricFamily("qmd_model_bytes", "What it takes in memory.", labels=["role", "model", "device"])
    # The embedder that was used before comes last: where it has the same name, it must not be a second sample.
    for model in {(one.role, one.name, one.device): one for one in reversed(engine.models)}.values():
        labels = [model.role, model.name, model.device]
        loaded.add_metric(labels, float(model.state == "ready"))
        size.add_metric(labels, model.size_bytes)
    yield loaded
    yield size
    loads = SummaryMetricFamily("qmd_model_load_seconds", "Bringing a role's model into memory.", labels=["role"])
    for role, model in {one.role: one for one in reversed(engine.models)}.items():
        loads.add_metric([role], model.loads, model.load_s)
    yield loads


def _gpu(sample: GpuSample | None) -> Iterator[Metric]:
    if sample is None:
        return
    yield _counter("qmd_model_batches", "Batches that the models have computed.", sample.batches)
    yield _counter("qmd_model_pieces", "Pieces of texts in these.", sample.pieces)
    yield _counter("qmd_model_tokens", "Tokens in these.", sample.tokens)
    if sample.worker_memory_bytes is not None:
        yield _gauge("qmd_worker_memory_bytes", "The worker's resident memory.", {}, sample.worker_memory_bytes)
    families = {
        "utilization_ratio": GaugeMetricFamily("qmd_gpu_utilization_ratio", "How busy the card is.", labels=["gpu"]),
        "memory_used_bytes": GaugeMetricFamily("qmd_gpu_memory_used_bytes", "Memory in use.", labels=["gpu"]),
        "memory_total_bytes": GaugeMetricFamily("qmd_gpu_memory_total_bytes", "Memory in all.", labels=["gpu"]),
        "memory_ours_bytes": GaugeMetricFamily("qmd_gpu_memory_ours_bytes", "What we use of it.", labels=["gpu"]),
        "temperature_c": GaugeMetricFamily("qmd_gpu_temperature_celsius", "Temperature.", labels=["gpu"]),
        "power_w": GaugeMetricFamily("qmd_gpu_power_watts", "Power drawn.", labels=["gpu"]),
    }
    for card in sample.cards:
        for field, family in families.items():
            value = getattr(card, field)
            if value is not None:  # a sensor that the card does not have
                family.add_metric([str(card.index)], value)
    yield from families.values()


def _documents(indexes: Sequence[IndexStatus], grant: Grant | None) -> Metric:
    family = GaugeMetricFamily("qmd_collection_documents", "Documents of a collection.", labels=["index", "collection"])
    for index in indexes:
        for one in index.collections:
            if grant is None or (index.name == grant.index and grant.covers(one.name)):
                family.add_metric([index.name, one.name], one.documents)
    return family


def _indexes(indexes: Sequence[IndexStatus]) -> Iterator[Metric]:
    for field, what in (
        ("documents", "Documents."),
        ("chunks", "Chunks of documents."),
        ("vectors", "Vectors of chunks."),
        ("pending", "Documents whose vectors are to be made."),
        ("size_bytes", "What the index takes on disk."),
    ):
        name = "qmd_index_pending_documents" if field == "pending" else f"qmd_index_{field}"
        family = GaugeMetricFamily(name, what, labels=["index"])
        for index in indexes:
            family.add_metric([index.name], getattr(index, field))
        yield family
    updated = GaugeMetricFamily("qmd_index_updated_timestamp_seconds", "The last change.", labels=["index"])
    for index in indexes:
        updated.add_metric([index.name], index.updated_at)
    yield updated


def _jobs(jobs: Sequence[Job]) -> Iterator[Metric]:
    states = GaugeMetricFamily("qmd_jobs", "Jobs of late, by state.", labels=["kind", "state"])
    counted: dict[tuple[str, str], int] = {}
    for job in jobs:
        counted[job.kind, job.state] = counted.get((job.kind, job.state), 0) + 1
    for labels, count in counted.items():
        states.add_metric(labels, count)
    yield states
    progress = GaugeMetricFamily("qmd_job_progress_ratio", "How far a running job is.", labels=["kind", "index"])
    for job in jobs:
        if job.state == "running" and job.total:
            progress.add_metric([job.kind, job.index], job.done / job.total)
    yield progress
