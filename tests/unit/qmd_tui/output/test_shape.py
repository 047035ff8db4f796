from pathlib import Path

import pytest

from qmd_tui.output import shape


def test_lines_are_numbered_from_where_the_snippet_begins() -> None:
    row = next(shape.numbered([{"snippet": "a\nb\n", "line": 9, "matches": [[0, 1]]}]))
    assert (row["snippet"], row["matches"]) == ("9: a\n10: b", [])


def test_the_whole_text_stands_in_the_place_of_the_snippet() -> None:
    row = next(shape.numbered([{"snippet": "b", "body": "a\nb", "line": 2}]))
    assert row["body"] == "1: a\n2: b"
    assert shape.content(row) == ("1: a\n2: b", 1)


def test_an_empty_text_has_no_lines() -> None:
    assert next(shape.numbered([{"body": ""}]))["body"] == ""


def test_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    for name in ("in/a.md", "b.md"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path / "in")
    rows = [
        {"file": f"qmd://n/{name}", "docid": "#1", "location": str(tmp_path / name)}
        for name in ("in/a.md", "b.md", "gone.md")
    ]
    named, gone = shape.by_path(rows)
    assert [(row["file"], row["docid"]) for row in named] == [
        ("./a.md", ""),
        (str((tmp_path / "b.md").resolve()), ""),
        ("qmd://n/gone.md", "#1"),
    ]
    assert gone == ["qmd://n/gone.md"]
