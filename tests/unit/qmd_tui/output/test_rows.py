import json
from typing import Any

from qmd_tui.output import rows

HIT: dict[str, Any] = {
    "docid": "#a1b2c3",
    "file": "qmd://notes/a.md",
    "collection": "notes",
    "path": "a.md",
    "title": "显存",
    "line": 3,
    "score": 0.8765,
    "snippet": "a\x1b[31m\x9bb",
    "matches": [[0, 1]],
    "context": "",
    "relevance": None,
    "explain": None,
}


def test_a_row_has_the_fields_of_tobi_qmd() -> None:
    assert json.loads(rows.search([HIT])) == [
        {
            "docid": "#a1b2c3",
            "score": 0.88,
            "file": "qmd://notes/a.md",
            "line": 3,
            "title": "显存",
            "snippet": "a\x1b[31m\x9bb",
        }
    ]


def test_context_and_explain_are_there_when_there_are_any() -> None:
    row = json.loads(rows.search([HIT | {"context": "Notes", "explain": {"matched_terms": ["a"]}}]))[0]
    assert row["context"] == "Notes"
    assert row["explain"] == {"matched_terms": ["a"]}


def test_nothing_found_is_an_empty_array() -> None:
    assert rows.search([]) == "[]"


def test_chinese_is_readable_and_controls_are_escaped() -> None:
    encoded = rows.search([HIT])
    assert "显存" in encoded
    assert "\\u001b" in encoded
    assert "\\u009b" in encoded
    assert not {"\x1b", "\x9b"} & set(encoded)
