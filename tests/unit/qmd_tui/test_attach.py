from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ipc.curve import Keys
from ipc.errors import QmdError
from ipc.launch import Endpoint
from ipc.paths import Paths
from qmd_tui.attach import elsewhere

KEYS = Keys(server="s" * 40, public="p" * 40, secret="x" * 40)


def key(path: Path) -> str:
    path.write_bytes(msgspec.json.encode(KEYS))
    path.chmod(0o600)
    return str(path)


def test_a_socket_or_its_directory(home: Paths, tmp_path: Path) -> None:
    there = Endpoint(f"ipc://{tmp_path}/rpc.sock", f"ipc://{tmp_path}/events.sock")
    assert elsewhere(home, str(tmp_path)) == there
    assert elsewhere(home, str(tmp_path / "rpc.sock")) == there
    assert elsewhere(home, str(tmp_path / "mine")).rpc == f"ipc://{tmp_path}/mine"


def test_a_path_that_no_socket_can_have(home: Paths, tmp_path: Path) -> None:
    with pytest.raises(QmdError, match="too long"):
        elsewhere(home, str(tmp_path / ("x" * 120)))


def test_an_address_takes_a_key(home: Paths, tmp_path: Path) -> None:
    there = Endpoint("tcp://desk:18766", keys=KEYS)
    with pytest.raises(QmdError, match=r"no key in .*client\.key"):
        elsewhere(home, "tcp://desk:18766", env={})
    with pytest.raises(QmdError, match="is no address"):
        elsewhere(home, "tcp://desk", env={})
    assert elsewhere(home, "tcp://desk:18766", key(tmp_path / "a"), env={"QMD_KEY": "/nowhere"}) == there
    assert elsewhere(home, "tcp://desk:18766", env={"QMD_KEY": key(tmp_path / "b")}) == there
    key(Path(home.client_key_file))
    assert elsewhere(home, "tcp://desk:18766", env={}) == there
