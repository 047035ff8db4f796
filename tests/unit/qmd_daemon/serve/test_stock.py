"""The list of models, by the real program."""

from __future__ import annotations

from pathlib import Path

import pytest

from ipc.errors import QmdError
from qmd_daemon.config import Config
from qmd_daemon.serve.stock import Stock


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QMD_HOME", str(tmp_path))


async def test_every_model_with_its_profiles(tmp_path: Path) -> None:
    reply = await Stock(Config, str(tmp_path / "data" / "models")).catalog()
    by_name = {model.name: model for model in reply.models}
    assert by_name["multilingual-e5-small"].profiles == ["cpu"]
    assert by_name["multilingual-e5-small"].state == "absent"
    assert by_name["multilingual-e5-small"].download_bytes > 0
    assert {model.role for model in reply.models} == {"embedding", "reranker", "expansion"}
    assert reply.profile in {"embedded", "cpu"}


async def test_what_is_wrong_with_the_configuration_is_told(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_text("engine = 3")
    with pytest.raises(QmdError) as failure:
        await Stock(Config, str(tmp_path / "models")).catalog()
    assert failure.value.code == "unavailable"
