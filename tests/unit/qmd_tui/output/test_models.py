from __future__ import annotations

from typing import Any

import msgspec

from ipc.protocol import ModelStatus, PsReply
from qmd_tui.output import models
from qmd_tui.output.style import Style

NOW = 1000.0
MODELS = [
    ModelStatus(
        role="embedding",
        name="all-minilm-l6-v2",
        state="ready",
        size_bytes=84_000_000,
        device="cpu",
        compute_type="int8",
        copies=2,
        until=NOW + 240,
        reason="wanted cuda: no NVIDIA driver",
    ),
    ModelStatus(role="reranker", name="big", state="ready", size_bytes=1_200_000_000, device="cuda", until=None),
    ModelStatus(role="expansion", name="evil\x1b[31m", state="missing", hint="Fetch it: qmd pull evil"),
]


def shown(found: list[ModelStatus], pid: int = 7) -> list[str]:
    ps: dict[str, Any] = msgspec.to_builtins(PsReply(models=found, pid=pid, used_bytes=1_284_000_000))
    return models.text(ps, Style(), NOW).splitlines()


def test_a_table_with_what_there_is_to_say() -> None:
    assert shown(MODELS) == [
        "ROLE       MODEL             SIZE     DEVICE  TYPE  UNTIL",
        "embedding  all-minilm-l6-v2  84.0 MB  cpu     int8  4 min from now",
        "  wanted cuda: no NVIDIA driver",
        "reranker   big               1.2 GB   cuda    -     for ever",
        "expansion  evil␛[31m         -        -       -     missing",
        "  Fetch it: qmd pull evil",
        "The worker (pid 7) takes 1.3 GB.",
    ]


def test_without_a_worker() -> None:
    lines = shown([ModelStatus(role="embedding", name="m", state="off")], pid=0)
    assert lines == [
        "ROLE       MODEL  SIZE  DEVICE  TYPE  UNTIL",
        "embedding  m      -     -       -     not in memory",
    ]
