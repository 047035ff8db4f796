"""What is said of models and cards."""

from __future__ import annotations

from pathlib import Path

import pytest

from ipc.finding import Finding
from ipc.protocol import Card, GpuSample
from qmd_daemon.checkup import models
from qmd_daemon.config import Config, EngineConfig
from qmd_daemon.weights import catalog, manifest


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


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    """bge-m3 as if it had been converted and tried: three bytes of it."""
    entry = catalog.get("bge-m3")
    directory = tmp_path / "bge-m3" / "int8"
    directory.mkdir(parents=True)
    (directory / "model.bin").write_bytes(b"abc")
    (directory / catalog.TOKENIZER).write_text("{}")
    manifest.write(
        str(directory),
        name=entry.name,
        fingerprint=catalog.weights_fingerprint(entry),
        family=entry.family,
        quantization="int8",
    )
    return directory


def embedding(models_directory: Path) -> Finding:
    found = models.examine(Config(engine=EngineConfig(embedding="bge-m3")), str(models_directory))
    return next(one for one in found if one.check == "embedding model")


def test_a_converted_model_has_passed_its_self_test(converted: Path, tmp_path: Path) -> None:
    found = embedding(tmp_path)
    assert (found.state, "passed its self-test" in found.message) == ("ok", True)


def test_a_model_that_has_changed_on_disk_is_damaged(converted: Path, tmp_path: Path) -> None:
    (converted / "model.bin").write_bytes(b"abd")
    found = embedding(tmp_path)
    assert found.state == "fail"
    assert "model.bin has changed" in found.message
    assert found.hint == "`qmd models test bge-m3` converts and tests it again."
