"""What agents send: read as it is meant, or refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from ipc.errors import QmdError
from qmd_daemon.mcp.arguments import GetArguments, QueryArguments, StatusArguments, read


def test_what_is_meant() -> None:
    found = read(
        QueryArguments, {"query": "显存", "limit": "5", "collections": "notes", "minScore": 0.5, "intent": None}
    )
    assert found == QueryArguments(query="显存", top_k=5, collections=["notes"], min_score=0.5)
    assert read(GetArguments, {"file": "a.md", "fromLine": "3"}) == GetArguments(ref="a.md", from_line=3)
    assert read(StatusArguments, None) == StatusArguments()


def test_a_request() -> None:
    request = read(QueryArguments, {"query": "x", "where": ["tags=gpu"], "candidates": 5}).request("work")
    assert (request.index, request.client, request.where, request.candidates) == ("work", "agent", ["tags=gpu"], 5)


def test_typed_searches() -> None:
    searches = [{"type": "lex", "query": "a\nb"}, {"type": "hyde", "query": "一段话"}]
    assert read(QueryArguments, {"searches": searches}).query == "lex: a b\nhyde: 一段话"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "missing required field `query`"),
        ({"query": "x", "intnt": "y"}, "Did you mean `intent`?"),
        ({"query": "x", "zzz": 1}, "Known: query, top_k"),
        ({"query": "x", "top_k": "many"}, "$.top_k"),
        ({"query": "x", "top_k": 1e9}, "$.top_k"),
        ({"query": ["x"]}, "$.query"),
        ({"query": "x", "collections": [1]}, "$.collections"),
        ({"query": "x", "limit": 1, "top_k": 2}, ""),
        ({"searches": [{"type": "lex", "query": ""}]}, "`searches` is a list"),
        ({"searches": [{"type": "lex", "query": "a"}] * 9}, "At most 8."),
        ({"searches": "a"}, "`searches` is a list"),
    ],
)
def test_what_is_refused(arguments: dict[str, Any], said: str) -> None:
    if not said:
        assert read(QueryArguments, arguments).top_k == 2
        return
    with pytest.raises(QmdError) as error:
        read(QueryArguments, arguments)
    assert error.value.code == "invalid"
    assert said in str(error.value)
