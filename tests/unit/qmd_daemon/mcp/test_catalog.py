"""The descriptions, held against what the tools really take; and what they cost."""

from __future__ import annotations

import json

import msgspec
import pytest

from ipc.protocol import Query
from qmd_daemon.mcp.arguments import (
    Arguments,
    GetArguments,
    MultiGetArguments,
    QueryArguments,
    StatusArguments,
)
from qmd_daemon.mcp.catalog import TOOLS, Described

KINDS: dict[str, type[Arguments]] = {
    "query": QueryArguments,
    "get": GetArguments,
    "multi_get": MultiGetArguments,
    "status": StatusArguments,
}


@pytest.mark.parametrize("described", TOOLS, ids=lambda tool: tool.name)
def test_a_schema_says_what_is_taken(described: Described) -> None:
    fields = msgspec.structs.fields(KINDS[described.name])
    assert list(described.takes["properties"]) == [field.name for field in fields]
    assert described.takes.get("required", []) == [field.name for field in fields if field.required]
    for field in fields:
        schema = described.takes["properties"][field.name]
        ours = msgspec.json.schema(field.type)
        kinds = {one["type"] for one in ours.get("anyOf", [ours])} - {"null"}
        assert {schema["type"]} == kinds
        bounds = {**next(one for one in ours.get("anyOf", [ours]) if one["type"] != "null")}
        for bound in ("minimum", "maximum"):
            assert schema.get(bound) == bounds.get(bound), field.name
        if "default" in schema:
            assert schema["default"] == field.default


def test_the_names_are_those_of_the_protocol() -> None:
    assert set(QueryArguments.__struct_fields__) <= set(Query.__struct_fields__)


def test_the_cost_of_the_descriptions() -> None:
    """What docs/output.md says: all of it is in an agent's context all the time."""
    told = [[one.name, one.title, one.description, one.takes] for one in TOOLS]
    assert len(json.dumps(told, ensure_ascii=False)) < 3000
