from __future__ import annotations

from pathlib import Path

import pytest

from qmd_daemon.weights import manifest


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "model.bin").write_bytes(b"weights" * 1000)
    (tmp_path / "tokenizer.json").write_text("{}")
    manifest.write(str(tmp_path), name="m", fingerprint="f1", family="bert", quantization="int8")
    return tmp_path


def fault(directory: Path, fingerprint: str = "f1", quantization: str = "int8") -> str:
    return manifest.fault(str(directory), fingerprint, quantization)


def test_what_was_written_is_trusted(directory: Path) -> None:
    assert fault(directory) == ""
    found = manifest.read(str(directory))
    assert found is not None
    assert [(part.name, part.size_bytes) for part in found.files] == [("model.bin", 7000), ("tokenizer.json", 2)]


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(b"W" + file.read_bytes()[1:]),
        lambda file: file.write_bytes(b""),
        lambda file: file.unlink(),
    ],
    ids=["truncated", "altered", "emptied", "removed"],
)
def test_damage_is_seen(directory: Path, damage) -> None:
    damage(directory / "model.bin")
    assert fault(directory).startswith("model.bin")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"name": "m"}'])
def test_a_manifest_that_cannot_be_read_is_none(directory: Path, content: bytes) -> None:
    (directory / manifest.FILE).write_bytes(content)
    assert fault(directory) == "no model.json"


def test_another_model_or_version_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fault(directory, fingerprint="f2") != ""
    assert fault(directory, quantization="float32") != ""
    monkeypatch.setattr(manifest, "CONVERSION", manifest.CONVERSION + 1)
    assert fault(directory) != ""


def test_an_empty_directory_is_refused(tmp_path: Path) -> None:
    assert fault(tmp_path) == "no model.json"
    assert fault(tmp_path / "none") == "no model.json"
