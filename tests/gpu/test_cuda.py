"""The worker on a real card. Without one these are skipped, and say so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ipc.paths import Paths
from qmd_daemon.config import EngineConfig
from qmd_daemon.engine.gpu import Meter
from qmd_daemon.engine.model import Priority
from qmd_daemon.engine.supervisor import Engine
from qmd_daemon.weights import catalog

MINILM = catalog.get("all-minilm-l6-v2")
TEXTS = [f"text {n} of {n % 7} words about {'apples' if n % 2 else 'pears'} " * (1 + n % 5) for n in range(200)]


def _why_not() -> str:
    """Why there is nothing to run on; "" when there is."""
    ctranslate2 = pytest.importorskip("ctranslate2")
    try:
        cards = ctranslate2.get_cuda_device_count()
    except RuntimeError as error:
        return str(error)
    if not cards:
        return "there is no GPU: these tests did not run"
    return "" if catalog.find(MINILM) else catalog.install_hint(MINILM)


pytestmark = pytest.mark.skipif(bool(_why_not()), reason=_why_not() or "there is a GPU")


def make(tmp_path: Path, **settings: Any) -> Engine:
    config = EngineConfig(**{"device": "cuda", "embedding": MINILM.name, **settings})
    return Engine(config, Paths.from_environment({"QMD_HOME": str(tmp_path)}), lambda topic, event: None)


def ours_bytes(pid: int) -> int:
    """What a process takes of all cards."""
    return sum(card.memory_ours_bytes or 0 for card in Meter(lambda: pid).sample().cards)


async def gone(engine: Engine) -> None:
    async with asyncio.timeout(60):
        while engine.worker_pid:
            await asyncio.sleep(0.05)


async def test_vectors_are_those_of_the_processor(tmp_path: Path) -> None:
    async with make(tmp_path) as card, make(tmp_path, device="cpu") as cpu:
        ours = await card.embed(TEXTS, kind="document", priority=Priority.INDEXING)
        theirs = await cpu.embed(TEXTS, kind="document", priority=Priority.INDEXING)
        status = card.status()
        assert (status.device, status.reason) == ("cuda", "")
        assert status.models[0].copies == 1
        assert float((ours * theirs).sum(axis=1).min()) > 0.97  # float16 against int8
        assert np.allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-3)


async def test_what_it_takes_is_measured_and_under_the_ceiling(tmp_path: Path) -> None:
    async with make(tmp_path, max_vram="2G") as engine:
        await engine.embed(TEXTS * 5, kind="document", priority=Priority.INDEXING)
        assert 0 < engine.used_bytes < 2 * 10**9
        assert engine.models()[0].size_bytes > 0


async def test_a_ceiling_that_is_too_low_leads_to_the_processor_and_says_so(tmp_path: Path) -> None:
    async with make(tmp_path, max_vram="1M") as engine:
        await engine.embed(["a"], kind="query")
        status = engine.status()
        assert status.device == "cpu"
        assert "ceiling" in status.reason


async def test_when_it_is_idle_the_card_is_as_if_we_were_not_there(tmp_path: Path) -> None:
    async with make(tmp_path, idle_s=0.5) as engine:
        await engine.embed(["a"], kind="query")
        pid = engine.worker_pid
        await gone(engine)
        assert ours_bytes(pid) == 0
