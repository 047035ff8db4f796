from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.store import generations
from qmd_daemon.store.generations import Seen, Summer

SEEN = Seen("1/model", "abc", 42, {"data": (3, 17), "名.bin": (0, 0)})


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return str(tmp_path / "lexical")


def test_the_current_one_is_the_one_switched_to(directory: str) -> None:
    assert generations.current(directory) is None
    first, second = generations.begin(directory), generations.begin(directory)
    assert generations.current(directory) is None
    generations.switch(directory, second)
    assert generations.current(directory) == second
    generations.switch(directory, first)
    assert generations.current(directory) == first


def test_directories_and_files_are_private(directory: str) -> None:
    path = generations.begin(directory)
    generations.switch(directory, path)
    generations.write_seen(path, SEEN)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
    for name in (f"{path}/seen.json", f"{directory}/CURRENT"):
        assert stat.S_IMODE(os.stat(name).st_mode) == 0o600


@pytest.mark.parametrize("name", ["", "g", "g000009", "../g000001", "/etc", "g1\0", "\xff", "g000001\ng000002"])
def test_a_current_that_names_no_generation_is_none(directory: str, name: str) -> None:
    generations.begin(directory)
    Path(directory, "CURRENT").write_bytes(name.encode("latin-1"))
    assert generations.current(directory) is None


def test_what_is_seen_is_read_back(directory: str) -> None:
    path = generations.begin(directory)
    for seen in (SEEN, SEEN._replace(files=None), SEEN._replace(files={})):
        generations.write_seen(path, seen)
        assert generations.read_seen(path) == seen


@given(st.binary(max_size=60) | st.sampled_from([b"null", b"[]", b"{}", b'{"files": 3}', b'{"files": {"a": 1}}']))
def test_what_is_no_record_is_none(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp()
    (path / "seen.json").write_bytes(data)
    assert generations.read_seen(str(path)) is None


def test_a_record_with_any_bit_flipped_is_none_or_says_the_same(directory: str) -> None:
    path = generations.begin(directory)
    generations.write_seen(path, SEEN)
    file = Path(path, "seen.json")
    data = file.read_bytes()
    for place in range(len(data)):
        file.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        assert generations.read_seen(path) in (None, SEEN)


@pytest.mark.parametrize(
    "harm",
    [
        lambda file: file.unlink(),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"abd"),
        lambda file: file.write_bytes(b"abcd"),
        lambda file: (file.unlink(), file.mkdir()),
    ],
)
def test_a_file_that_is_not_as_it_was_is_named(tmp_path: Path, harm) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(b"abc")
    sums = Summer().sums(str(tmp_path), ["one", "two"])
    assert generations.damaged(str(tmp_path), sums) == ""
    harm(tmp_path / "two")
    assert generations.damaged(str(tmp_path), sums) == "two"


def test_a_sum_is_of_the_file_as_it_is(tmp_path: Path) -> None:
    summer = Summer()
    (tmp_path / "a").write_bytes(b"abc")
    first = summer.sums(str(tmp_path), ["a"])
    assert summer.sums(str(tmp_path), ["a"]) == first
    (tmp_path / "a").write_bytes(b"abd")
    os.utime(tmp_path / "a", ns=(1, 1))
    changed = summer.sums(str(tmp_path), ["a"])
    assert changed != first
    assert changed == Summer().sums(str(tmp_path), ["a"])


def test_sweeping_leaves_the_current_one_alone_and_nothing_else(directory: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("somebody else's")
    old, new = generations.begin(directory), generations.begin(directory)
    generations.switch(directory, new)
    Path(old, "data").write_text("x")
    Path(directory, "CURRENT.tmp").write_text("x")
    Path(directory, "link").symlink_to(outside)
    generations.sweep(directory)
    assert sorted(os.listdir(directory)) == ["CURRENT", os.path.basename(new)]
    assert (outside / "file").read_text() == "somebody else's"


def test_keeping_only_some_files_keeps_the_record(directory: str) -> None:
    path = generations.begin(directory)
    generations.write_seen(path, SEEN)
    for name in "abc":
        Path(path, name).write_text(name)
    generations.keep_only(path, ["b"])
    assert sorted(os.listdir(path)) == ["b", "seen.json"]
