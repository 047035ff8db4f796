"""What /metrics says, what of it a token sees, and that nothing shown elsewhere has another name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from ipc.protocol import (
    Card,
    CollectionInfo,
    Embed,
    EngineStatus,
    GpuSample,
    IndexStatus,
    Job,
    ModelStatus,
    Search,
    SearchReply,
    Stage,
)
from qmd_daemon.grants import Grant
from qmd_daemon.metrics import Metrics
from qmd_daemon.serve.exposition import Standing, render

GRAFANA = Path(__file__).parents[4] / "contrib" / "grafana"
COLLECTIONS = [CollectionInfo(name=name, path="/", pattern="*", documents=3) for name in ("notes", "diary")]
STANDING = Standing(
    version="1.2.3",
    uptime_s=7.5,
    ready=True,
    in_flight=2,
    connections=5,
    engine=EngineStatus(
        state="ready",
        engine="ct2",
        pid=7,
        queued=40,
        restarts=1,
        fallback=True,
        models=[
            ModelStatus(role="embedding", name="m", state="ready", size_bytes=100, device="cpu", loads=2, load_s=7.5),
            ModelStatus(role="embedding", name="before", state="ready", loads=1, load_s=1.0),
        ],
    ),
    gpu=GpuSample(
        at=0,
        worker_memory_bytes=9,
        batches=3,
        pieces=12,
        tokens=480,
        cards=[Card(index=0, name="card", utilization_ratio=0.5, memory_used_bytes=1, power_w=None)],
    ),
    indexes=[
        IndexStatus(name="index", path="/", documents=6, vectors=9, pending=2, collections=COLLECTIONS),
        IndexStatus(name="work", path="/", documents=1),
    ],
    jobs=[Job(id="a", kind="update", index="index", state="running", done=1, total=4)],
)
NOTES = Grant(id="2", name="notes", kind="token", check="", collections=("notes",))
WHOLE = Grant(id="1", name="whole", kind="token", check="")


def counted() -> Metrics:
    metrics = Metrics()
    stages = [Stage(name="lexical", ran=True, ms=2), Stage(name="rerank", ran=False, reason="no model")]
    metrics.answered(Search(query="q"), "ok", 0.02, SearchReply(results=[], stage="lexical", stages=stages))
    metrics.answered(Embed(texts=["a", "b"]), "deadline", 9, None)
    metrics.refused("unauthorized")
    return metrics


def samples(grant: Grant | None = None) -> dict[tuple[str, tuple[str, ...]], float]:
    """Value by name and the values of its labels, sorted."""
    text = render(STANDING, counted().registry, grant).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("qmd_build_info", ("1.2.3",), 1),
        ("qmd_uptime_seconds", (), 7.5),
        ("qmd_requests_total", ("search", "ok"), 1),
        ("qmd_requests_total", ("embed", "deadline"), 1),
        ("qmd_request_seconds_count", ("search",), 1),
        ("qmd_stage_seconds_sum", ("lexical",), 0.002),
        ("qmd_stages_skipped_total", ("rerank",), 1),
        ("qmd_request_texts_sum", ("embed",), 2),
        ("qmd_refused_total", ("unauthorized",), 1),
        ("qmd_queue_texts", (), 40),
        ("qmd_requests_in_flight", (), 2),
        ("qmd_http_connections", (), 5),
        ("qmd_worker_restarts_total", (), 1),
        ("qmd_engine_fallback", (), 1),
        ("qmd_model_ready", ("embedding", "m", "cpu"), 1),
        ("qmd_model_bytes", ("embedding", "m", "cpu"), 100),
        ("qmd_model_load_seconds_count", ("embedding",), 2),
        ("qmd_model_load_seconds_sum", ("embedding",), 7.5),
        ("qmd_model_batches_total", (), 3),
        ("qmd_model_pieces_total", (), 12),
        ("qmd_model_tokens_total", (), 480),
        ("qmd_index_documents", ("index",), 6),
        ("qmd_index_pending_documents", ("index",), 2),
        ("qmd_collection_documents", ("index", "diary"), 3),
        ("qmd_jobs", ("update", "running"), 1),
        ("qmd_job_progress_ratio", ("update", "index"), 0.25),
        ("qmd_gpu_utilization_ratio", ("0",), 0.5),
        ("qmd_worker_memory_bytes", (), 9),
    ],
)
def test_a_sample(name: str, labels: tuple[str, ...], value: float) -> None:
    assert samples()[name, tuple(sorted(labels))] == value


def test_a_sensor_that_a_card_has_not_is_no_sample() -> None:
    assert not any(name == "qmd_gpu_power_watts" for name, _ in samples())


def test_a_token_sees_its_own_collections_and_nothing_that_others_do() -> None:
    seen = samples(NOTES)
    assert ("qmd_collection_documents", ("index", "notes")) in seen
    assert not any("diary" in labels or "work" in labels for _, labels in seen)
    hidden = ("qmd_requests", "qmd_request_", "qmd_index_", "qmd_jobs", "qmd_job_", "qmd_http", "qmd_refused")
    assert [name for name, _ in seen if name.startswith(hidden)] == []


def test_a_token_of_all_collections_sees_its_index() -> None:
    seen = samples(WHOLE)
    assert ("qmd_index_documents", ("index",)) in seen
    assert not any("work" in labels for _, labels in seen)


def test_the_names_follow_the_conventions() -> None:
    for name, _ in samples():
        assert re.fullmatch(r"qmd_[a-z0-9_]+", name)
        assert not re.search(r"_(ms|mb|percent)(_|$)", name)


def exported() -> set[str]:
    text = render(STANDING, counted().registry, None).decode()
    return {name for name, _ in samples()} | set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))


def names(expressions: list[str]) -> set[str]:
    return {name for expression in expressions for name in re.findall(r"\bqmd_\w+", expression)}


def test_the_dashboard_shows_what_is_exported() -> None:
    board = json.loads((GRAFANA / "dashboard.json").read_text())
    shown = names([target["expr"] for panel in board["panels"] for target in panel["targets"]])
    assert len(shown) > 15
    assert shown <= exported()


def test_the_alerts_are_about_what_is_exported() -> None:
    groups = YAML(typ="safe").load((GRAFANA / "alerts.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) >= 8
    assert all(rule["annotations"]["summary"] for rule in rules)
    assert names([rule["expr"] for rule in rules]) <= exported()
