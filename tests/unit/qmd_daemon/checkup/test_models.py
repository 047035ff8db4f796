"""What is said of models and cards."""

from __future__ import annotations

from pathlib import Path

import pytest

from ipc.protocol import Card, GpuSample
from qmd_daemon.checkup import models
from qmd_daemon.config import Config, EngineConfig


def reading(*names: str, reason: str = "") -> GpuSample:
    cards = [
        Card(
            index=number,
            name=name,
            utilization_ratio=None,
            memory_used_bytes=None,
            memory_total_bytes=None,
            memory_ours_bytes=None,
            temperature_c=None,
            power_w=None,
        )
        for number, name in enumerate(names)
    ]
    return GpuSample(at=0.0, cards=cards, reason=reason, worker_pid=0, worker_cpu=None, worker_memory_bytes=None)


def test_the_fake_engine_has_no_models(tmp_path: Path) -> None:
    (found,) = models.examine(Config(engine=EngineConfig(kind="fake")), str(tmp_path))
    assert found.state == "ok"
    assert "instead of a model" in found.message


def test_a_model_that_was_asked_for_and_is_not_here(tmp_path: Path) -> None:
    found = list(models.examine(Config(engine=EngineConfig(embedding="bge-m3")), str(tmp_path)))
    missing = [one for one in found if one.state == "fail"]
    assert [one.message for one in missing] == ["bge-m3 is not installed."]
    assert "qmd" in missing[0].hint


@pytest.mark.parametrize(("device", "state"), [("auto", "ok"), ("cuda", "fail")])
def test_no_card_says_why(device: str, state: str) -> None:
    settings = Config(engine=EngineConfig(device=device))  # type: ignore[arg-type]
    found = models.card(settings, lambda: reading(reason="no NVIDIA driver"))
    assert found.state == state
    assert "no NVIDIA driver" in found.message


@pytest.mark.parametrize(("has", "state"), [(True, "ok"), (False, "warn")])
def test_a_card_needs_cublas(monkeypatch: pytest.MonkeyPatch, has: bool, state: str) -> None:
    monkeypatch.setattr(models, "_has_cublas", lambda: has)
    found = models.card(Config(), lambda: reading("RTX 4090"))
    assert found.state == state
    assert "RTX 4090" in found.message


def test_a_card_that_is_not_to_be_used() -> None:
    found = models.card(Config(engine=EngineConfig(device="cpu")), lambda: reading("RTX 4090"))
    assert (found.state, found.message) == ("ok", "RTX 4090; the processor computes: the configuration says so.")
