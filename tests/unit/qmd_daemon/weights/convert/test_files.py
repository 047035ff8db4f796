from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from qmd_daemon.weights.convert.files import Files

ONE, TWO = np.arange(6, dtype=np.float32).reshape(3, 2), np.ones(4, np.float32)


def write_index(directory: Path, **where: str) -> None:
    (directory / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


def test_one_file(safetensors, tmp_path: Path) -> None:
    safetensors(tmp_path / "model.safetensors", {"one": ONE, "two": TWO})
    with Files(str(tmp_path)) as files:
        assert files.names() == {"one", "two"}
        assert files.reader("one").read("one", 1, 3).tolist() == [[2, 3], [4, 5]]


def test_several_files(safetensors, tmp_path: Path) -> None:
    safetensors(tmp_path / "model-1.safetensors", {"one": ONE})
    safetensors(tmp_path / "model-2.safetensors", {"two": TWO})
    write_index(tmp_path, one="model-1.safetensors", two="model-2.safetensors")
    with Files(str(tmp_path)) as files:
        assert files.names() == {"one", "two"}
        assert files.reader("two").read("two").tolist() == TWO.tolist()


def test_one_file_comes_before_the_others(safetensors, tmp_path: Path) -> None:
    safetensors(tmp_path / "model.safetensors", {"one": ONE})
    (tmp_path / "pytorch_model.bin").write_bytes(b"not a zip file")
    write_index(tmp_path, one="no.safetensors")
    with Files(str(tmp_path)) as files:
        assert files.names() == {"one"}


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/x.safetensors", "a/b.safetensors", "x.bin", ""])
def test_an_index_names_only_files_beside_it(tmp_path: Path, name: str) -> None:
    write_index(tmp_path, one=name)
    with pytest.raises(ValueError, match="names the file"):
        Files(str(tmp_path))


def test_a_shard_that_is_missing(safetensors, tmp_path: Path) -> None:
    safetensors(tmp_path / "model-1.safetensors", {"one": ONE})
    write_index(tmp_path, one="model-1.safetensors", two="model-2.safetensors")
    with pytest.raises(ValueError, match=r"model-2\.safetensors is missing"):
        Files(str(tmp_path))


def test_a_page_instead_of_weights(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("<html><body>Please log in</body></html>")
    with pytest.raises(ValueError, match=r"model\.safetensors: its header is cut off"):
        Files(str(tmp_path))


def test_no_weights(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is missing"):
        Files(str(tmp_path))


def test_a_tensor_that_is_not_there(safetensors, tmp_path: Path) -> None:
    safetensors(tmp_path / "model.safetensors", {"one": ONE})
    with Files(str(tmp_path)) as files, pytest.raises(ValueError, match="no tensor three"):
        files.reader("three")
