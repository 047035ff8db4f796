"""`qmd models` with a real daemon: what is in memory, and what is tested."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ipc.paths import Paths
from qmd_daemon.weights import catalog
from tests.conftest import Daemon

MINILM = catalog.get("all-minilm-l6-v2")


def qmd(*argv: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "qmd_tui.cli.main", "models", *argv],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done


def rows(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Of the table: role -> until when."""
    lines = [line.split() for line in done.stdout.splitlines()]
    return {line[0]: " ".join(line[-3:]) for line in lines if line and line[0] in {"embedding", "reranker"}}


def test_models_are_loaded_and_unloaded(daemon: Daemon) -> None:
    loaded = rows(qmd("load", "embedding", "--keep-alive=-1"))
    assert loaded["embedding"] == "float32 for ever"
    assert loaded["reranker"].endswith("not in memory")
    assert rows(qmd("unload"))["embedding"].endswith("not in memory")


@pytest.mark.skipif(catalog.find(MINILM) is None, reason=catalog.install_hint(MINILM))
def test_a_model_is_converted_and_tested(home: Paths) -> None:
    done = qmd("test", "all-minilm-l6-v2")
    assert done.stdout.startswith("OK Embedding all-minilm-l6-v2 (cpu, int8, ")
    assert "converting all-minilm-l6-v2" in done.stderr
    assert "converting" not in qmd("test", "all-minilm-l6-v2").stderr
    # What has been altered is made anew, not believed.
    weights = Path(home.models) / "all-minilm-l6-v2" / "int8" / "model.bin"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "converting" in qmd("test", "all-minilm-l6-v2").stderr


def test_a_model_that_is_not_there(home: Paths) -> None:
    done = qmd("test", "bge-m3", code=3)
    assert done.stdout == "FAILED Embedding bge-m3\n"
    assert "Fetch it: qmd pull bge-m3" in done.stderr
