from __future__ import annotations

from pathlib import Path

import pytest

from ipc.errors import QmdError
from qmd_tui.attach import elsewhere


def test_a_socket_or_its_directory(tmp_path: Path) -> None:
    rpc, events = f"ipc://{tmp_path}/rpc.sock", f"ipc://{tmp_path}/events.sock"
    assert elsewhere(str(tmp_path)) == (rpc, events)
    assert elsewhere(str(tmp_path / "rpc.sock")) == (rpc, events)
    assert elsewhere(str(tmp_path / "mine"))[0] == f"ipc://{tmp_path}/mine"


def test_a_path_that_no_socket_can_have(tmp_path: Path) -> None:
    with pytest.raises(QmdError, match="too long"):
        elsewhere(str(tmp_path / ("x" * 120)))
