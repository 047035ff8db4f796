from __future__ import annotations

import os
import stat
from pathlib import Path

from qmd_tui.history import History


def test_it_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "state" / "tui-history.json"
    History(str(file)).add("显存监控")
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert History(str(file)).queries == ["显存监控"]


def test_the_same_query_is_kept_once_and_the_newest_is_last(tmp_path: Path) -> None:
    history = History(str(tmp_path / "h"))
    for query in ("a", "b", " a ", "", "a"):
        history.add(query)
    assert history.queries == ["b", "a"]


def test_two_terminals_do_not_lose_each_others(tmp_path: Path) -> None:
    one, other = History(str(tmp_path / "h")), History(str(tmp_path / "h"))
    one.add("a")
    other.add("b")
    assert History(str(tmp_path / "h")).queries == ["a", "b"]


def test_stepping_back_from_the_newest_goes_to_the_one_before() -> None:
    history = History("")
    for text in ("a", "b"):
        history.add(text)
    assert [history.step(-1, "b"), history.step(1, "a"), history.step(1, "b")] == ["a", "b", "b"]


def test_stepping_back_comes_back_to_what_was_typed() -> None:
    history = History()
    history.add("a")
    history.add("b")
    assert [history.step(-1, "ty"), history.step(-1, "b"), history.step(-1, "a")] == ["b", "a", "a"]
    assert [history.step(1, "a"), history.step(1, "b"), history.step(1, "ty")] == ["b", "ty", "ty"]


def test_saved_queries_come_and_go(tmp_path: Path) -> None:
    history = History(str(tmp_path / "h"))
    assert history.toggle_saved("tea")
    assert History(str(tmp_path / "h")).saved == ["tea"]
    assert not history.toggle_saved("tea")
    history.add("tea")
    history.forget("tea")
    assert (History(str(tmp_path / "h")).queries, history.saved) == ([], [])


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    for damage in ("{", '{"queries": 7}', '{"queries": "abc", "saved": []}', "[]"):
        (tmp_path / "h").write_text(damage)
        history = History(str(tmp_path / "h"))
        assert history.queries == []
        history.add("a")
        assert History(str(tmp_path / "h")).queries == ["a"]


def test_where_it_cannot_be_kept_nothing_breaks(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    history = History(str(tmp_path / "file" / "h"))
    history.add("a")
    assert history.queries == ["a"]
