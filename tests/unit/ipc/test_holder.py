from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec
import pytest

from ipc.holder import Holder, is_locked, read_holder

HOLDER = Holder(pid=7, version="1", protocol=1, rpc="ipc:///r", events="ipc:///e")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'{"pid": 7}'])
def test_what_is_not_written_yet_is_nobody(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "lock").write_bytes(content)
    assert read_holder(str(tmp_path / "lock")) is None


def test_a_holder_is_read_back_also_with_fields_of_a_newer_version(tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(msgspec.json.encode({**msgspec.to_builtins(HOLDER), "mood": "blue"}))
    assert read_holder(str(tmp_path / "lock")) == HOLDER


def test_no_file_is_nobody(tmp_path: Path) -> None:
    assert read_holder(str(tmp_path / "lock")) is None
    assert not is_locked(str(tmp_path / "lock"))


def test_a_lock_is_seen_and_looking_does_not_take_it(tmp_path: Path) -> None:
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    try:
        assert not is_locked(str(tmp_path / "lock"))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert is_locked(str(tmp_path / "lock"))
    finally:
        os.close(lock)
    assert not is_locked(str(tmp_path / "lock"))
