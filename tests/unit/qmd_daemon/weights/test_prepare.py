from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest

from ipc.errors import QmdError
from qmd_daemon.weights import catalog, heads, manifest
from qmd_daemon.weights.entry import Entry, Hub
from qmd_daemon.weights.prepare import location, prepare


class Asked:
    """Counts conversions, and what was said."""

    def __init__(self, entry: Entry, models: Path) -> None:
        self.entry = entry
        self.models = str(models)
        self.tested: list[str] = []
        self.said: list[str] = []

    def __call__(self, quantization: str = "float32") -> str:
        return prepare(self.entry, self.models, quantization, test=self.tested.append, say=self.said.append)


@pytest.fixture
def ask(entry: Entry, tmp_path: Path) -> Asked:
    return Asked(entry, tmp_path / "models")


def left_behind(ask: Asked) -> list[str]:
    return sorted(name for name in os.listdir(os.path.join(ask.models, "tiny")) if "." in name)


def test_it_is_converted_once(ask: Asked) -> None:
    directory = ask()
    assert directory == location(ask.entry, ask.models, "float32")
    assert sorted(os.listdir(directory)) == [
        "config.json",
        "model.bin",
        "model.json",
        "tokenizer.json",
        "vocabulary.json",
    ]
    assert ask() == directory
    assert len(ask.tested) == 1
    assert ask.said == ["converting tiny"]
    assert left_behind(ask) == []


def test_each_quantization_has_a_directory_of_its_own(ask: Asked) -> None:
    assert ask("float32") != ask("int8")
    assert len(ask.tested) == 2


@pytest.mark.parametrize("file", ["model.bin", "model.json", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["truncated", "altered", "removed"])
def test_a_damaged_one_is_made_anew(ask: Asked, file: str, damage: str) -> None:
    directory = Path(ask())
    before = {name: (directory / name).read_bytes() for name in os.listdir(directory)}
    path = directory / file
    content = path.read_bytes()
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if damage == "truncated" else content[:-9] + b"?" + content[-8:])
    ask()
    assert {name: (directory / name).read_bytes() for name in os.listdir(directory)} == before
    assert len(ask.tested) == 2
    assert left_behind(ask) == []


def test_what_a_killed_conversion_left_is_swept(ask: Asked) -> None:
    for name in ("float32.partial", "float32.old", "int8.partial"):
        os.makedirs(os.path.join(ask.models, "tiny", name, "x"))
    ask()
    assert left_behind(ask) == []


def test_a_model_that_fails_its_test_is_not_kept(ask: Asked) -> None:
    def test(directory: str) -> None:
        raise QmdError("unavailable", "It talks nonsense.")

    with pytest.raises(QmdError, match="nonsense"):
        prepare(ask.entry, ask.models, "float32", test=test)
    assert not os.path.exists(location(ask.entry, ask.models, "float32"))
    assert left_behind(ask) == []


def test_weights_that_were_altered_are_refused(ask: Asked, package: Path) -> None:
    weights = package / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    with pytest.raises(QmdError, match="sha256") as caught:
        ask()
    assert caught.value.code == "unavailable"
    assert "--force-reinstall" in caught.value.hint


def test_a_checkpoint_of_another_shape_is_refused(ask: Asked, package: Path) -> None:
    (package / "config.json").write_text("{}")
    with pytest.raises(QmdError, match=r"config\.json"):
        ask()
    assert left_behind(ask) == []


def test_missing_weights_say_what_to_install(ask: Asked, package: Path) -> None:
    shutil.rmtree(package)
    with pytest.raises(QmdError) as caught:
        ask()
    assert caught.value.code == "no_model"


def test_a_directory_that_cannot_be_written(ask: Asked, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(QmdError, match="Cannot write") as caught:
        ask()
    assert caught.value.code == "unavailable"


def test_two_at_once_convert_once(ask: Asked) -> None:
    """flock holds between open files, so threads stand for processes here."""
    start = threading.Barrier(4)
    found: list[str] = []

    def run() -> None:
        start.wait()
        found.append(ask())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(ask.tested) == 1
    assert manifest.read(found[0]) is not None


def fetched(entry: Entry, models: Path, package: Path) -> Entry:
    """The model, as if it had been fetched from a hub."""
    hub = msgspec.structs.replace(entry, source=Hub(repositories=("someone/tiny",)))
    directory = catalog.originals(hub, str(models))
    shutil.copytree(package, directory)
    identity = catalog.weights_fingerprint(hub)
    manifest.write(directory, name=hub.name, fingerprint=identity, family=hub.family, quantization=manifest.ORIGINAL)
    return hub


def test_a_fetched_model_is_converted(entry: Entry, package: Path, tmp_path: Path) -> None:
    hub = fetched(entry, tmp_path, package)
    directory = prepare(hub, str(tmp_path), "float32", test=lambda _: None)
    assert os.path.isfile(os.path.join(directory, "model.bin"))
    assert manifest.fault(catalog.originals(hub, str(tmp_path)), catalog.weights_fingerprint(hub), "original") == ""


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json", "model.json"])
def test_a_fetched_file_that_has_changed_since_is_refused(
    entry: Entry, package: Path, tmp_path: Path, file: str
) -> None:
    hub = fetched(entry, tmp_path, package)
    path = Path(catalog.originals(hub, str(tmp_path)), file)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(QmdError, match="are damaged") as caught:
        prepare(hub, str(tmp_path), "float32", test=lambda _: None)
    assert "qmd pull tiny" in caught.value.hint


def test_a_reranker_in_a_directory_keeps_its_head(bert, tensors, tmp_path: Path) -> None:
    size = tensors["pooler.dense.bias"].shape[0]
    head = {"classifier.weight": np.ones((1, size), np.float32), "classifier.bias": np.zeros(1, np.float32)}
    source = tmp_path / "my-reranker"
    bert(
        source,
        {f"bert.{name}": tensor for name, tensor in tensors.items()} | head,
        model_type="bert",
        max_position_embeddings=24,
    )
    entry = catalog.get(str(source), role="reranker")
    directory = prepare(entry, str(tmp_path / "models"), "int8", test=lambda _: None)
    assert heads.load(directory).dense.shape == (size, size)
    whole = manifest.read(directory)
    assert whole is not None
    assert heads.FILE in [part.name for part in whole.files]


def test_what_we_do_not_support_says_so(bert, tensors, tmp_path: Path) -> None:
    source = tmp_path / "relative"
    bert(source, tensors, model_type="bert", max_position_embeddings=24, position_embedding_type="relative_key")
    entry = catalog.get(str(source))
    with pytest.raises(QmdError, match="cannot be converted: its configuration has relative_key positions"):
        prepare(entry, str(tmp_path / "models"), "int8", test=lambda _: None)
