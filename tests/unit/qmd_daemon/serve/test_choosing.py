"""Another model for a role: what is refused before anything is written, and what is handed to the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import ModelsUse, Role
from qmd_daemon import config
from qmd_daemon.serve.choosing import Chooser
from qmd_daemon.weights import catalog

MINILM = catalog.get("all-minilm-l6-v2")
HERE = pytest.mark.skipif(catalog.find(MINILM) is None, reason=catalog.install_hint(MINILM))


class House:
    """A Chooser over a real configuration; it stands for the engine."""

    def __init__(self, home: Path, **env: str) -> None:
        paths = Paths.from_environment({"QMD_HOME": str(home), "HOME": str(home)})
        self.file = Path(paths.config_file)
        self.used: list[str] = []
        engine: Any = self
        self._chooser = Chooser(paths.config_file, paths.models, engine, lambda: config.load(paths, {}), env)

    def use(self, engine: config.EngineConfig, own: object) -> None:
        self.used.append(engine.embedding)

    async def choose(self, role: Role, name: str) -> None:
        await self._chooser.use(ModelsUse(role=role, name=name))

    async def refused(self, role: Role, name: str) -> str:
        with pytest.raises(QmdError) as caught:
            await self.choose(role, name)
        assert not self.used
        assert not self.file.exists()
        return caught.value.code


@HERE
async def test_a_model_that_is_here_is_written_down_and_used(tmp_path: Path) -> None:
    house = House(tmp_path)
    await house.choose("embedding", MINILM.name)
    assert house.file.read_text() == f'[engine]\nembedding = "{MINILM.name}"\n'
    await house.choose("embedding", "")
    assert house.file.read_text() == "[engine]\n"
    assert house.used == [MINILM.name, ""]


async def test_no_reranker_is_a_choice_and_no_embedder_is_none(tmp_path: Path) -> None:
    house = House(tmp_path)
    assert await house.refused("embedding", "none") == "invalid"
    await house.choose("reranker", "none")
    assert house.file.read_text() == '[engine]\nreranker = "none"\n'


@pytest.mark.parametrize(
    ("role", "name", "code"),
    [
        ("embedding", "nobody", "invalid"),
        ("reranker", MINILM.name, "invalid"),
        ("embedding", "multilingual-e5-small", "no_model"),
    ],
)
async def test_what_would_not_work_is_not_written(tmp_path: Path, role: Role, name: str, code: str) -> None:
    assert await House(tmp_path).refused(role, name) == code


async def test_the_environment_wins_and_that_is_said(tmp_path: Path) -> None:
    assert await House(tmp_path, QMD_MODEL="x").refused("embedding", MINILM.name) == "conflict"
