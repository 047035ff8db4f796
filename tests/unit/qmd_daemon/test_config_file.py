"""config.toml, changed in one place: what a person wrote around it stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ipc.errors import QmdError
from qmd_daemon import config_file


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '[engine]\nreranker = "new"\n'),
        (
            '# mine\n[engine]\n# which\nreranker = "old"  # why\n\n[http]\nport = 1\n',
            '# mine\n[engine]\n# which\nreranker = "new"  # why\n\n[http]\nport = 1\n',
        ),
        ('[engine]\nkind = "ct2"\n', '[engine]\nkind = "ct2"\nreranker = "new"\n'),
        ('engine.reranker = "old"\n', 'engine.reranker = "new"\n'),
        ('[engine]\r\nreranker = "old"\r\n', '[engine]\r\nreranker = "new"\r\n'),
    ],
)
def test_one_value_changes_and_nothing_else(tmp_path: Path, before: str, after: str) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(before.encode())
    config_file.put(str(file), "engine", "reranker", "new")
    assert file.read_bytes().decode() == after


def test_an_empty_value_takes_it_out(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[engine]\nkind = "ct2"\nreranker = "old"\n')
    for _ in range(2):
        config_file.put(str(file), "engine", "reranker", "")
        assert file.read_text() == '[engine]\nkind = "ct2"\n'


def test_a_missing_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "config" / "config.toml"
    config_file.put(str(file), "engine", "reranker", "m")
    assert os.stat(file).st_mode & 0o777 == 0o600


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "there.toml").write_text("")
    (tmp_path / "config.toml").symlink_to(tmp_path / "there.toml")
    config_file.put(str(tmp_path / "config.toml"), "engine", "reranker", "m")
    assert (tmp_path / "config.toml").is_symlink()
    assert 'reranker = "m"' in (tmp_path / "there.toml").read_text()


@pytest.mark.parametrize("broken", [b"[engine", b"engine = 3\n", b"\xff"])
def test_what_is_no_toml_is_left_alone(tmp_path: Path, broken: bytes) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(broken)
    with pytest.raises(QmdError) as caught:
        config_file.put(str(file), "engine", "reranker", "m")
    assert caught.value.code == "invalid"
    assert file.read_bytes() == broken


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("")
    with pytest.raises(QmdError) as caught:
        config_file.put(str(tmp_path / "config" / "config.toml"), "engine", "reranker", "m")
    assert caught.value.code == "unavailable"
