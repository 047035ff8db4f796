"""The description of the HTTP routes, held against a real daemon: by schemathesis, and by eye where that is blind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from ipc.protocol import CollectionAdd
from tests.integration import corpus

# 503 and 504 are described; a 500 is not.
CHECKED = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")
# It never ends by itself; the unit tests have it.
ENDLESS = "/events"


@pytest.fixture(scope="module")
def daemon(shared_daemon: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real daemon with a few notes. Whatever was sent, its log has no traceback."""
    notes = tmp_path_factory.mktemp("notes")
    corpus.write(notes, 5)
    with shared_daemon.connect() as client:
        corpus.finish(client, CollectionAdd(path=str(notes), name="notes"))
    yield shared_daemon
    assert "Traceback" not in shared_daemon.log


def described(daemon: Any) -> dict[str, Any]:
    with urlopen(f"{daemon.endpoint.http}/openapi.json", timeout=20) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


@pytest.fixture(scope="module")
def schema(daemon: Any) -> Any:
    found = schemathesis.openapi.from_dict(described(daemon))
    found.config.update(base_url=daemon.endpoint.http)
    found.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    return found


lazy = schemathesis.pytest.from_fixture("schema").exclude(path=ENDLESS)


@lazy.parametrize()
@settings(max_examples=5, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(case: Any) -> None:
    case.call_and_validate(checks=CHECKS.get_by_names(CHECKED), timeout=30)


def test_every_route_is_described(daemon: Any) -> None:
    paths = described(daemon)["paths"]
    assert {"/health", "/ready", "/search", "/vsearch", "/query", "/similar", "/embed", "/rerank", "/expand"} <= set(
        paths
    )
    assert {"/documents/{ref}", "/status", "/jobs", "/models", "/events", "/v1/embeddings", "/v1/rerank"} <= set(paths)
    for path, operations in paths.items():
        for operation in operations.values():
            assert operation["summary"], path
