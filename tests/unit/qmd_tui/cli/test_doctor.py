"""What `qmd doctor` makes of where the models are."""

from __future__ import annotations

from typing import Any, Self

import msgspec
import pytest

from ipc.launch import Endpoint
from ipc.protocol import ModelStatus, PsReply
from qmd_tui.cli import doctor

HERE = Endpoint("ipc:///nowhere", "ipc:///nowhere", pid=1)


@pytest.mark.parametrize(
    ("status", "level"),
    [
        (ModelStatus(role="embedding", name="m", state="ready", device="cpu", reason="the fastest here"), "ok"),
        (ModelStatus(role="embedding", name="m", state="off"), "ok"),
        (
            ModelStatus(role="embedding", name="m", state="ready", reason="wanted cuda: no driver", fallback=True),
            "warn",
        ),
        (ModelStatus(role="reranker", name="m", state="missing", reason="not fetched", hint="`qmd pull m`"), "warn"),
        (ModelStatus(role="reranker", name="m", state="failed", reason="damaged"), "warn"),
    ],
)
def test_a_device_is_a_warning_when_it_is_not_the_one_that_was_wanted(
    status: ModelStatus, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Client:
        def __init__(self, *_: object) -> None: ...

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None: ...

        def call_raw(self, _: object) -> dict[str, Any]:
            reply: dict[str, Any] = msgspec.to_builtins(PsReply(models=[status]))
            return reply

    monkeypatch.setattr("ipc.launch.SyncClient", Client)
    (found,) = doctor._devices(HERE)
    assert (found.check, found.state) == ("device", level)
    assert status.reason in found.message
    assert found.hint == ("" if level == "ok" else status.hint or "See `qmd ps`.")
