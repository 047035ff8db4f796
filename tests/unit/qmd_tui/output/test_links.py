import pytest

from qmd_tui.output.links import DEFAULT, editor_link, with_links


def test_the_link_of_tobi_qmd() -> None:
    assert editor_link(DEFAULT, "/home/me/my notes/readme.md", 42) == (
        "vscode://file//home/me/my%20notes/readme.md:42:1"
    )


def test_a_hostile_name_stays_one_link() -> None:
    assert editor_link("x:{path}", "/a\x1b]8;;evil\n{line}", 1) == "x:/a%1B%5D8%3B%3Bevil%0A%7Bline%7D"


def test_the_environment_wins_over_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"location": "/a.md", "line": 3}, {"file": "qmd://n/gone.md"}]
    monkeypatch.delenv("QMD_EDITOR_URI", raising=False)
    assert [row.get("link") for row in with_links(rows, "")] == ["vscode://file//a.md:3:1", None]
    assert with_links(rows, "idea://open?file={path}&line={line}")[0]["link"] == "idea://open?file=/a.md&line=3"
    monkeypatch.setenv("QMD_EDITOR_URI", "subl://{path}:{line}:{column}")
    assert with_links(rows, "idea://{path}")[0]["link"] == "subl:///a.md:3:1"


def test_a_template_that_would_write_to_the_terminal_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QMD_EDITOR_URI", raising=False)
    assert "link" not in with_links([{"location": "/a.md"}], "x:\x1b]0;pwned\x07")[0]
