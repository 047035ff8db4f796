"""What all formats must hold, whatever a file holds: parseable, complete, and harmless on a terminal."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_tui.output import formats, safe

NASTY = st.text(st.sampled_from(list("a显 ,\"'`<>&#\t\n\r\x1b\x9b\u202e\u2028]")), max_size=12)
ROW = st.fixed_dictionaries(
    {
        "docid": st.sampled_from(["#a1b2c3", ""]),
        "file": NASTY.map("qmd://n/{}".format),
        "title": NASTY,
        "context": NASTY,
        "line": st.integers(1, 9),
        "score": st.floats(0, 1),
    }
)
HITS = st.lists(st.builds(lambda row, text: {**row, "snippet": text}, ROW, NASTY), max_size=3)
DOCUMENTS = st.lists(
    st.builds(lambda row, more: row | more, ROW, NASTY.map(lambda text: {"body": text}))
    | st.builds(lambda row: row | {"skipped": True, "reason": "too large"}, ROW),
    max_size=3,
)
MODULES = {name: formats.load(name) for name in ("json", "csv", "md", "xml", "files")}


@pytest.mark.parametrize("name", MODULES)
@given(hits=HITS, rows=DOCUMENTS)
def test_nothing_that_a_terminal_would_obey(name: str, hits: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    for text in (MODULES[name].search(hits), "\n".join(MODULES[name].documents(iter(rows)))):
        assert safe.block(text) == text


@given(HITS, DOCUMENTS)
def test_json_loses_nothing(hits: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    assert [each["title"] for each in json.loads(MODULES["json"].search(hits))] == [hit["title"] for hit in hits]
    found = json.loads("\n".join(MODULES["json"].documents(iter(rows))))
    assert [(each["file"], each.get("body")) for each in found] == [(row["file"], row.get("body")) for row in rows]


@given(HITS, DOCUMENTS)
def test_csv_has_a_row_for_each(hits: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    for wanted, text in ((hits, MODULES["csv"].search(hits)), (rows, "\n".join(MODULES["csv"].documents(iter(rows))))):
        read = list(csv.DictReader(io.StringIO(text, newline="")))
        assert [row["file"] for row in read] == [safe.block(row["file"]) for row in wanted]
        assert all(None not in row and None not in row.values() for row in read)


@given(HITS, DOCUMENTS)
def test_xml_is_well_formed(hits: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    found = ET.fromstring(MODULES["xml"].search(hits))
    assert [each.text or "" for each in found] == [safe.block(hit["snippet"]) for hit in hits]
    found = ET.fromstring("\n".join(MODULES["xml"].documents(iter(rows))))
    assert [each.get("skipped") for each in found] == [row.get("reason") for row in rows]


@given(HITS, DOCUMENTS)
def test_files_has_a_line_for_each(hits: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    assert len(MODULES["files"].search(hits).splitlines()) == len(hits)
    assert len(list(MODULES["files"].documents(iter(rows)))) == len(rows)


def test_a_fence_is_longer_than_those_in_the_text() -> None:
    hit = {"docid": "", "file": "a", "title": "t", "context": "", "line": 1, "score": 1, "snippet": "````\nx\n````"}
    assert "\n`````\n````\nx\n````\n`````" in MODULES["md"].search([hit])
