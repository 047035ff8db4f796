"""The lines above and below the results: the stages, the status, and what stands there when there is nothing."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest
from rich.cells import cell_len

from ipc.protocol import EngineStatus, ErrorBody, Job, SearchReply, Stage
from qmd_tui.messages import Answered, ConnectionChanged, Question
from qmd_tui.widgets.guide import guidance
from qmd_tui.widgets.stages import summary
from qmd_tui.widgets.status import connection_text, fallback_forms, fit, index_forms, job_forms
from qmd_tui.widgets.units import size, sparkline
from tests.tui.library import fused, index, lexical, vectors

READY = ConnectionChanged("ready")
NOTHING = Question("", "query", 0)
TEA = Question("tea", "search", 1)


def said(reply: SearchReply, *, final: bool = True) -> str:
    return summary(Answered(TEA, reply, final)).plain


def test_stages_and_their_times() -> None:
    assert said(lexical(1)) == "1 result · lexical 2.1 ms"
    assert said(lexical(1, 2), final=False) == "2 results · lexical 2.1 ms · …"
    assert said(vectors(1)) == "1 result · vectors 12 ms"
    assert said(fused(1, 2)) == "2 results · lexical 2.1 ms · vectors 12 ms · fused"


def test_why_a_stage_is_missing() -> None:
    stages = [Stage(name="lexical", ran=True, ms=120.0), Stage(name="vector", ran=False, reason="no\x1b model")]
    reply = SearchReply(results=[], stage="lexical", stages=stages, notes=["no\x1b model", "Fewer words were used."])
    assert said(reply) == "0 results · lexical 120 ms · vectors: no␛ model · Fewer words were used."


def test_the_forms_that_fit_are_the_longest() -> None:
    assert fit(["long left", "left"], ["long right", "right"], 40) == ("long left", "long right")
    assert fit(["long left", "left"], ["long right", "right"], 17) == ("long left", "right")
    assert fit(["long left", "left"], ["long right", "right"], 12) == ("left", "right")
    assert fit(["long left", "left"], ["right", ""], 8) == ("left", "")
    assert fit(["显存监控"], ["right"], 5) == ("显存…", "")


@pytest.mark.parametrize(
    ("connection", "engine", "text"),
    [
        (ConnectionChanged("connecting"), None, "connecting"),
        (ConnectionChanged("connecting", "the daemon to start"), None, "waiting for the daemon to start"),
        (ConnectionChanged("lost", "x", 4.0), None, "daemon lost, next try in 4 s"),
        (READY, None, "ready"),
        (READY, EngineStatus(state="off", engine="ct2"), "ready"),
        (READY, EngineStatus(state="failed", engine="ct2"), "worker failed"),
        (READY, EngineStatus(state="no_model", engine="ct2"), "no model"),
    ],
)
def test_the_state_in_a_word(connection: ConnectionChanged, engine: EngineStatus | None, text: str) -> None:
    assert connection_text(connection, engine) == text


def test_the_size_of_the_index() -> None:
    assert index_forms(index(documents=1234, pending=5))[0] == "1,234 documents · 3.2M · 5 to embed"
    assert index_forms(index(documents=1))[-1] == "1"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"state": "queued"}, "indexing"),
        ({"state": "running", "phase": "scanning"}, "scanning"),
        ({"state": "running", "done": 3, "total": 9, "current": "a\x1b.md"}, "indexing 3/9 a␛.md"),
        ({"state": "done", "counts": {"new": 1, "removed": 0}}, "indexing done: 1 new"),
        ({"state": "done"}, "indexing done"),
        ({"state": "cancelled"}, "indexing cancelled"),
        ({"state": "failed", "error": ErrorBody(code="internal", message="no room")}, "indexing failed: no room"),
    ],
)
def test_how_far_a_job_is(fields: dict[str, object], text: str) -> None:
    job = Job(id="1", kind="update", index="index", **fields)  # type: ignore[arg-type]
    assert job_forms(job)[0] == text


def test_a_device_that_was_not_wanted_is_said_with_the_reason() -> None:
    reason = "wanted cuda: no NVIDIA driver"
    engine = EngineStatus(state="ready", engine="ct2", device="cpu", reason=reason, fallback=True)
    assert fallback_forms("ready", engine) == [f"ready on cpu: {reason}", "ready on cpu"]


@pytest.mark.parametrize("kind", get_args(get_type_hints(Job)["kind"]))
def test_every_kind_of_job_has_a_name(kind: str) -> None:
    for state in ("queued", "running", "done", "failed", "cancelled"):
        assert job_forms(Job(id="1", kind=kind, index="", state=state))[0]  # type: ignore[arg-type]


def test_a_fetch_counts_bytes() -> None:
    job = Job(
        id="1",
        kind="fetch",
        index="",
        state="running",
        phase="fetching bge-m3",
        done=3 << 20,
        total=5 << 30,
        unit="bytes",
    )
    assert job_forms(job) == ["fetching bge-m3 3.0M/5.0G", "fetching bge-m3 3.0M/5.0G", "0%"]


def test_the_next_step_is_always_said() -> None:
    assert "Starting the daemon" in guidance(ConnectionChanged("connecting"), None, NOTHING, False).plain
    assert "why\nso" in guidance(ConnectionChanged("lost", "why\nso"), None, NOTHING, False).plain
    assert "qmd collection add PATH" in guidance(READY, index(collections=[]), NOTHING, False).plain
    assert "8 documents in 1 collection." in guidance(READY, index(), NOTHING, False).plain
    assert guidance(READY, index(), TEA, False).plain == ""
    assert "Ctrl+S" in guidance(READY, index(), TEA, True).plain


def test_numbers_at_a_glance() -> None:
    assert [size(n) for n in (0, 512, 1536, 10 << 20, 5 << 30, 3 << 40)] == ["0", "512", "1.5K", "10M", "5.0G", "3.0T"]
    assert sparkline([-1.0, 0.0, 0.5, 1.0, 2.0]) == "▁▁▅██"
    assert cell_len(sparkline([0.1] * 8)) == 8
