"""`python -m qmd_daemon.weights.manage`, as `qmd models` runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qmd_daemon.weights import catalog, manage, manifest
from qmd_daemon.weights.entry import Entry
from qmd_daemon.weights.profiles import Machine


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("QMD_HOME", str(tmp_path))
    monkeypatch.setattr(manage.machine, "detect", Machine)
    return tmp_path


@pytest.fixture
def converted(home: Path, entry: Entry) -> Path:
    directory = home / "data" / "models" / "tiny" / "int8"
    directory.mkdir(parents=True)
    (directory / "model.bin").write_bytes(b"w" * 5000)
    (directory / "tokenizer.json").write_bytes(b"{}")
    fingerprint = catalog.weights_fingerprint(entry)
    manifest.write(str(directory), name="tiny", fingerprint=fingerprint, family="bert", quantization="int8")
    return directory


def test_list(converted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert manage.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "embedding:"
    assert any(line.startswith("   tiny ") and line.endswith("ready") for line in lines)
    assert any(line.startswith(" * all-minilm-l6-v2") for line in lines)
    assert manage.main(["list", "--json"]) == 0
    (tiny,) = [item for item in json.loads(capsys.readouterr().out) if item["name"] == "tiny"]
    assert (tiny["state"], tiny["quantizations"], tiny["used"]) == ("converted", ["int8"], False)


def test_there_and_back(converted: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = home / "models.tar"
    assert manage.main(["export", str(bundle)]) == 0
    assert capsys.readouterr().out.startswith("Exported tiny/int8: ")
    assert manage.main(["remove", "tiny"]) == 0
    assert capsys.readouterr().out.startswith("Removed tiny: ")
    assert not converted.exists()
    assert manage.main(["export", str(home / "none.tar")]) == 3
    assert capsys.readouterr().err == "qmd: There is no model to export.\nFetch some: `qmd pull`.\n"
    assert manage.main(["import", str(bundle)]) == 0
    assert capsys.readouterr().out == "Imported tiny/int8\n"
    assert (converted / "model.bin").read_bytes() == b"w" * 5000


def test_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert manage.main(["plan", "gpu", "--vram", "4G"]) == 0
    assert "fits: " in capsys.readouterr().out
    assert manage.main(["plan", "--vram", "4G", "--json"]) == 0
    assert [one["profile"] for one in json.loads(capsys.readouterr().out)] == ["embedded", "cpu", "gpu", "gpu-small"]
    assert manage.main(["plan"]) == 2
    assert "no card here" in capsys.readouterr().err


def test_mistakes(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    assert manage.main(["remove", "nothing"]) == 1
    assert manage.main(["import", str(home / "none.tar")]) == 1
    assert manage.main(["plan", "gpu", "--vram", "lots"]) == 2
    assert "is not a size" in capsys.readouterr().err
