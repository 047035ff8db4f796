from __future__ import annotations

import shutil
from pathlib import Path

from qmd_daemon.weights import catalog, installed
from qmd_daemon.weights.entry import Entry, Package
from qmd_daemon.weights.prepare import prepare


def test_weights_as_they_came(entry: Entry, package: Path, tmp_path: Path) -> None:
    found = installed.locate(entry, str(tmp_path / "models"))
    assert found is not None
    assert found.tokenizer_file == str(package / catalog.TOKENIZER)
    assert isinstance(entry.source, Package)
    assert found.size_bytes == entry.source.size_bytes
    check = installed.check(entry, str(tmp_path / "models"))
    assert (check.name, check.role, check.ok, check.size_bytes) == ("tiny", "embedding", True, found.size_bytes)


def test_a_converted_model_needs_its_package_no_more(entry: Entry, package: Path, tmp_path: Path) -> None:
    directory = prepare(entry, str(tmp_path), "float32", test=lambda _: None)
    shutil.rmtree(package)
    found = installed.locate(entry, str(tmp_path))
    assert found is not None
    assert found.tokenizer_file == f"{directory}/{catalog.TOKENIZER}"
    assert installed.check(entry, str(tmp_path)).ok


def test_a_conversion_that_is_not_whole_does_not_count(entry: Entry, package: Path, tmp_path: Path) -> None:
    directory = prepare(entry, str(tmp_path), "float32", test=lambda _: None)
    shutil.rmtree(package)
    Path(directory, "model.json").unlink()
    assert installed.locate(entry, str(tmp_path)) is None


def test_a_missing_model_says_what_to_type(entry: Entry, package: Path, tmp_path: Path) -> None:
    shutil.rmtree(package)
    check = installed.check(entry, str(tmp_path))
    assert not check.ok
    assert "--no-deps" in check.hint
