from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import ctranslate2
import pytest

from qmd_daemon.engine import device
from qmd_daemon.engine.device import Device, candidates, first_working

CPU = Device("cpu", "int8", "the fastest on this CPU")
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
        ("auto", 0, [CPU]),
        ("auto", 1, [Device("cuda", "float16"), CPU]),
        ("cpu", 1, [CPU]),
        ("cuda", 0, [CPU.instead("wanted cuda: no NVIDIA driver")]),
        ("cuda", RuntimeError("old driver"), [CPU.instead("wanted cuda: old driver")]),
    ],
)
def test_a_missing_card_is_said_only_to_who_asked_for_it(machine, wanted: str, cards, expected: list[Device]) -> None:
    machine(cards)
    assert [(d.name, d.compute_type) for d in candidates(wanted)] == [(d.name, d.compute_type) for d in expected]
    if len(expected) == 1:
        assert candidates(wanted) == expected


def test_the_best_type_that_the_processor_has(machine) -> None:
    machine(0, {"cpu": {"float32"}})
    assert candidates("cpu") == [Device("cpu", "float32", "this CPU computes nothing smaller")]


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
    assert found == Device("cpu", "int8").instead("wanted cuda: Library libcublas.so.12 is not found")
    assert found.fallback


def test_the_first_that_works_is_taken() -> None:
    devices = [Device("cuda", "float16"), Device("cpu", "int8")]
    assert first_working(devices, lambda device: device.name) == (devices[0], "cuda")


def test_what_the_last_device_raises_is_raised() -> None:
    def attempt(device: Device) -> None:
        raise RuntimeError(device.name)

    with pytest.raises(RuntimeError, match="cpu"):
        first_working([Device("cuda", "float16"), Device("cpu", "int8")], attempt)


def test_a_card_without_room_is_no_broken_card() -> None:
    def attempt(device: Device) -> None:
        raise RuntimeError("CUDA failed with error out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        first_working([Device("cuda", "float16"), Device("cpu", "int8")], attempt)


def test_a_card_that_was_given_up_is_not_tried_again(machine) -> None:
    machine(1)
    assert candidates("auto", given_up="wanted cuda: no cuBLAS") == [CPU.instead("wanted cuda: no cuBLAS")]


@pytest.mark.parametrize(
    ("types", "encoder", "decoder"),
    [
        ({"int8_float16", "float16", "float32"}, "float16", "int8_float16"),
        ({"float16", "float32"}, "float16", "float16"),  # a card that refuses int8
        ({"float32"}, "float32", "float32"),
    ],
)
def test_an_encoder_is_exact_and_a_decoder_small(machine, types: set[str], encoder: str, decoder: str) -> None:
    machine(1, {**TYPES, "cuda": types})
    found = [candidates("auto")[0], candidates("auto", decoder=True)[0]]
    assert [(one.name, one.compute_type) for one in found] == [("cuda", encoder), ("cuda", decoder)]
    assert all(one.why for one in found)


def test_the_libraries_of_cuda_are_found_where_pip_puts_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "nvidia" / "cublas"
    (package / "lib").mkdir(parents=True)
    for name in device._CUDA_LIBRARIES:
        (package / "lib" / name).touch()
    loaded: list[str] = []
    monkeypatch.setattr(device.ctypes, "CDLL", lambda path, mode: loaded.append(Path(path).name))
    monkeypatch.setattr(
        device.importlib.util, "find_spec", lambda _: SimpleNamespace(submodule_search_locations=[str(package)])
    )
    assert device.preload()
    assert loaded == ["libcublasLt.so.12", "libcublas.so.12"]
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda _: None)
    assert not device.preload()


def test_there_is_a_processor() -> None:
    assert device.cores() >= 1
