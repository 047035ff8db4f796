from __future__ import annotations

import ctranslate2
import pytest

from qmd_daemon.engine import device
from qmd_daemon.engine.device import Device, candidates, first_working

TYPES = {"cpu": {"int8", "int8_float32", "float32"}, "cuda": {"int8_float16", "float16", "float32"}}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Make the machine have as many cards as it is told, or fail to say."""

    def build(cards: int | RuntimeError, types: dict[str, set[str]] = TYPES) -> None:
        def count() -> int:
            if isinstance(cards, RuntimeError):
                raise cards
            return cards

        monkeypatch.setattr(ctranslate2, "get_cuda_device_count", count)
        monkeypatch.setattr(ctranslate2, "get_supported_compute_types", types.__getitem__)

    return build


@pytest.mark.parametrize(
    ("wanted", "cards", "expected"),
    [
        ("auto", 0, [Device("cpu", "int8")]),
        ("auto", 1, [Device("cuda", "float16"), Device("cpu", "int8")]),
        ("cpu", 1, [Device("cpu", "int8")]),
        ("cuda", 0, [Device("cpu", "int8", "wanted cuda: no NVIDIA driver")]),
        ("cuda", RuntimeError("old driver"), [Device("cpu", "int8", "wanted cuda: old driver")]),
    ],
)
def test_a_missing_card_is_said_only_to_who_asked_for_it(machine, wanted: str, cards, expected: list[Device]) -> None:
    machine(cards)
    assert [(d.name, d.compute_type) for d in candidates(wanted)] == [(d.name, d.compute_type) for d in expected]
    if len(expected) == 1:
        assert candidates(wanted) == expected


def test_the_best_type_that_the_processor_has(machine) -> None:
    machine(0, {"cpu": {"float32"}})
    assert candidates("cpu") == [Device("cpu", "float32")]


def test_a_card_that_cannot_compute_gives_way_to_the_processor_and_says_why() -> None:
    tried: list[str] = []

    def attempt(device: Device) -> str:
        tried.append(device.name)
        if device.name == "cuda":
            raise RuntimeError("Library libcublas.so.12 is not found")
        return "loaded"

    found, result = first_working([Device("cuda", "float16"), Device("cpu", "int8")], attempt)
    assert tried == ["cuda", "cpu"]
    assert result == "loaded"
    assert found == Device("cpu", "int8", "wanted cuda: Library libcublas.so.12 is not found")


def test_the_first_that_works_is_taken() -> None:
    devices = [Device("cuda", "float16"), Device("cpu", "int8")]
    assert first_working(devices, lambda device: device.name) == (devices[0], "cuda")


def test_what_the_last_device_raises_is_raised() -> None:
    def attempt(device: Device) -> None:
        raise RuntimeError(device.name)

    with pytest.raises(RuntimeError, match="cpu"):
        first_working([Device("cuda", "float16"), Device("cpu", "int8")], attempt)


def test_there_is_a_processor() -> None:
    assert device.cores() >= 1
