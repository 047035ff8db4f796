import os
from typing import Any

import pytest

from qmd_tui.cli import main as cli


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the process would have become."""
    found: list[list[str]] = []

    def execv(_: str, command: list[str]) -> Any:
        found.append(command[4:] if command[3] == "qmd_daemon.weights.manage" else command[3:])
        raise SystemExit(0)

    monkeypatch.setattr(os, "execv", execv)
    return found


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["list"], ["list"]),
        (["list", "--json"], ["list", "--json"]),
        (["rm", "bge-m3", "tiny"], ["remove", "--", "bge-m3", "tiny"]),
        (["export", "m.tar", "bge-m3"], ["export", "--", "m.tar", "bge-m3"]),
        (["export", "m.tar"], ["export", "--", "m.tar"]),
        (["import", "m.tar"], ["import", "--", "m.tar"]),
        (["test"], ["qmd_daemon.engine.trial"]),
        (["test", "tiny"], ["qmd_daemon.engine.trial", "--", "tiny"]),
        (["plan", "--vram", "4G"], ["plan", "--vram=4G"]),
        (["plan", "gpu", "--vram=2G", "--json"], ["plan", "--json", "--vram=2G", "--", "gpu"]),
    ],
)
def test_the_process_that_knows(became: list[list[str]], argv: list[str], command: list[str]) -> None:
    with pytest.raises(SystemExit):
        cli.execute(["models", *argv])
    assert became == [command]


def test_an_action_is_needed(became: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["models"]) == 2
    assert became == []
    assert "ACTION" in capsys.readouterr().err


def test_only_roles_are_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.execute(["models", "load", "embeding"]) == 2
    assert "'embeding' is not one of embedding, reranker, expansion" in capsys.readouterr().err
