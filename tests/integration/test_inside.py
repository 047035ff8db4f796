"""Seeing inside a running daemon: what it counts, and which request a line of its worker is about."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ipc.errors import QmdError
from ipc.protocol import Embed


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its model fails on a word."""
    monkeypatch.setenv("QMD_FAKE_FAIL", "poison")


def test_a_line_of_the_worker_names_the_request(failing: None, daemon: Any, wait_until: Callable[..., Any]) -> None:
    with daemon.connect() as client:
        with pytest.raises(QmdError, match="failed on a text"):
            client.call(Embed(texts=["good", "poison"]), timeout_s=60)
        assert client.call(Embed(texts=["good"])).count == 1

    def lines(event: str) -> list[dict[str, Any]]:
        return [one for line in daemon.log.splitlines() if (one := json.loads(line))["event"] == event]

    wait_until(lambda: any("ValueError" in one["line"] for one in lines("engine.worker_stderr")), "the traceback")
    # A request is noted behind its answer.
    wait_until(lambda: len([one for one in lines("request.done") if one["op"] == "embed"]) == 2, "both to be noted")
    failed, good = [one for one in lines("request.done") if one["op"] == "embed"]
    assert (failed["code"], good["code"]) == ("unavailable", "ok")
    written = lines("engine.worker_stderr")
    assert {one.get("request") for one in written} == {failed["request"]}
    assert written[-1]["line"] == "ValueError: a text with 'poison'"


def test_what_the_models_have_done_is_counted(daemon: Any, wait_until: Callable[..., Any]) -> None:
    def sample(name: str) -> float:
        with urllib.request.urlopen(f"{daemon.endpoint.http}/metrics", timeout=30) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        return sum(one.value for family in families for one in family.samples if one.name == name)

    assert sample("qmd_model_load_seconds_count") == 0
    with daemon.connect() as client:
        client.call(Embed(texts=["three words here", "two words"]), timeout_s=60)
    assert sample("qmd_model_load_seconds_count") == 1
    wait_until(lambda: sample("qmd_model_tokens_total") == 5, "the tokens")
    assert sample("qmd_model_pieces_total") == 2
    assert sample("qmd_model_batches_total") in {1, 2}
