"""What the keys do with the hits: pick, copy, explain, page, find more, recall."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ipc.protocol import (
    CollectionChange,
    CollectionInfo,
    Contribution,
    Done,
    Explain,
    Get,
    Job,
    JobReply,
    Query,
    Similar,
    Status,
    Update,
)
from ipc.testing import FakeClient
from qmd_tui import outside
from qmd_tui.app import QmdApp
from qmd_tui.screens.search import SearchScreen
from qmd_tui.widgets.query_input import QueryInput
from qmd_tui.widgets.results import Results, told_moves
from tests.tui.library import (
    Line,
    ask,
    document,
    fused,
    hit,
    index,
    lexical,
    quick,
    screen_text,
    selected,
    staged,
    status,
    until,
    vectors,
)


def results(app: QmdApp) -> Results:
    return app.screen.query_one(Results)


def test_what_moved_says_how_far_and_why() -> None:
    before, after = [hit(n) for n in (0, 1, 2)], [hit(n) for n in (2, 0, 7, 1)]
    assert told_moves(before, after, "meaning") == {
        "qmd://notes/n2.md": "↑2 meaning",
        "qmd://notes/n0.md": "↓1",
        "qmd://notes/n7.md": "+ meaning",
        "qmd://notes/n1.md": "↓2",
    }
    assert told_moves([], after, "meaning") == {}
    assert told_moves(before, before, "meaning") == {}


async def test_a_row_that_moved_says_so_for_a_moment(app: QmdApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "v")
        assert "↑3 meaning" in screen_text(pilot)
        assert "↓1" in screen_text(pilot)
        results(app)._forget_moves()
        await pilot.pause()
        assert "meaning" not in screen_text(pilot)


async def test_reranking_says_that_it_moved_them(app: QmdApp, client: FakeClient) -> None:
    last = fused(1, 0)
    reranked = type(last)(results=last.results, stage="reranked", stages=last.stages)
    client.on(Query, lambda _: staged(lexical(0, 1), fused(0, 1), reranked))
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "v")
        assert "↑1 rerank" in screen_text(pilot)
        assert "reranked" in screen_text(pilot)


async def test_the_row_that_was_gone_to_stays_under_the_cursor(app: QmdApp, client: FakeClient) -> None:
    before = list(range(40))
    after = [30, 31, 32, 33, 34, *(n for n in before if n not in {30, 31, 32, 33, 34})]
    client.on(Query, lambda _: staged(lexical(*before), fused(*after)))
    gate = client.hold(Query, after=1)
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.press("v")
        await until(pilot, lambda: results(app).hits)
        await pilot.press(*["down"] * 10)
        shown = results(app)
        at = shown.selected * shown.row_lines - shown.scroll_offset.y
        gate.set()
        await until(pilot, lambda: "fused" in screen_text(pilot))
        assert (selected(pilot), shown.selected) == ("n10.md", 15)
        assert shown.selected * shown.row_lines - shown.scroll_offset.y == at


async def test_the_end_of_the_list_is_no_end(line: Line, client: FakeClient) -> None:
    client.on(Query, lambda request: fused(*range(request.top_k)))  # type: ignore[attr-defined]
    app = QmdApp(line, quick(top_k=20))
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "v")
        await pilot.press(*["down"] * 6)
        await until(pilot, lambda: len(results(app).hits) == 80)
        assert selected(pilot) == "n6.md"
        assert "meaning" not in screen_text(pilot)
        asked = [(r.top_k, r.pause_ms) for r in client.requests if isinstance(r, Query)]
        assert asked == [(20, 1), (80, 0)]


async def test_tab_picks_and_goes_on(app: QmdApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "v")
        await pilot.press("tab", "tab", "shift+tab")
        assert [one.path for one in results(app).chosen] == ["n0.md", "n1.md", "n2.md"]
        await until(pilot, lambda: "3 picked" in screen_text(pilot))
        assert screen_text(pilot).count("✓") == 3
        await pilot.press("tab")
        assert [one.path for one in results(app).chosen] == ["n0.md", "n2.md"]
        await pilot.press("escape")
        assert results(app).picked == {}
        assert app.screen.query_one(QueryInput).value == "v"


async def test_ctrl_and_a_click_pick(app: QmdApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "v")
        await pilot.click(Results, offset=(5, 4), control=True)
        await until(pilot, lambda: "1 picked" in screen_text(pilot))


@pytest.mark.parametrize(
    ("key", "copied"),
    [
        ("ctrl+y", "/library/n0.md"),
        ("alt+y", "/library/n0.md:42"),
        ("alt+d", "#000000"),
        ("alt+s", "something before\nthe vector engine of document 0"),
    ],
)
async def test_what_can_be_copied(app: QmdApp, key: str, copied: str) -> None:
    async with app.run_test(notifications=True) as pilot:
        await ask(pilot, "v")
        await pilot.press(key)
        assert app.clipboard == copied
        await until(pilot, lambda: "Copied " in screen_text(pilot))


async def test_all_that_is_picked_is_copied(app: QmdApp) -> None:
    async with app.run_test() as pilot:
        await ask(pilot, "v")
        await pilot.press("tab", "tab", "ctrl+y")
        assert app.clipboard == "/library/n0.md\n/library/n1.md"


async def test_what_is_picked_is_the_result_of_the_program(app: QmdApp) -> None:
    async with app.run_test() as pilot:
        await ask(pilot, "v")
        await pilot.press("tab", "down", "tab", "alt+enter")
    assert app.return_value == ["/library/n0.md", "/library/n2.md"]


async def test_to_pick_enter_leaves_with_the_result(line: Line) -> None:
    app = QmdApp(line, quick(pick=True))
    async with app.run_test() as pilot:
        await ask(pilot, "v")
        await pilot.press("enter")
    assert app.return_value == ["/library/n0.md"]


async def test_explaining_shows_the_trace_and_the_time(app: QmdApp, client: FakeClient) -> None:
    explain = Explain(
        contributions=[
            Contribution(list="lexical", rank=2, score=7.5, rrf=0.0161, share=0.6),
            Contribution(list="vector", rank=1, score=0.8, rrf=0.0164, share=0.4),
        ],
        matched_terms=["vector"],
        fused=0.7,
        rerank=0.9,
        trust=0.75,
    )
    client.on(Query, type(fused())(results=[hit(0, explain=explain, relevance=0.88)], stage="reranked",
                                   stages=fused().stages))  # fmt: skip
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "v")
        await pilot.press("ctrl+e")
        await until(pilot, lambda: "Found by" in screen_text(pilot))
        shown = screen_text(pilot)
        for told in (
            "#2   rrf 0.0161  7.5",
            "matched        vector",
            "0.75 × 0.700 + 0.25 × 0.900 = 1.000",
            "relevance",
            "vectors           12 ms",
        ):
            assert told in shown
        await pilot.press("ctrl+e")
        await until(pilot, lambda: "line 42 of document 0" in screen_text(pilot))


async def test_a_trace_that_does_not_fit_is_scrolled(app: QmdApp, client: FakeClient) -> None:
    client.on(Query, fused(*range(8)))
    async with app.run_test(size=(80, 10)) as pilot:
        await ask(pilot, "v")
        await pilot.press("ctrl+e")
        await until(pilot, lambda: "without a trace" in screen_text(pilot))
        assert "fusion" not in screen_text(pilot)
        for _ in range(4):
            await pilot.press("pagedown", "shift+down")
        await until(pilot, lambda: "fusion" in screen_text(pilot))
        for _ in range(4):
            await pilot.press("pageup", "shift+up")
        await until(pilot, lambda: "fusion" not in screen_text(pilot))


async def test_an_answer_without_a_trace_says_so(app: QmdApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "v")
        await pilot.press("ctrl+e")
        await until(pilot, lambda: "This answer came without a trace." in screen_text(pilot))


async def test_similar_documents_and_the_way_back(app: QmdApp, client: FakeClient) -> None:
    client.on(Similar, vectors(5, 6))
    async with app.run_test() as pilot:
        await ask(pilot, "v")
        await pilot.press("ctrl+l")
        await until(pilot, lambda: "2 results" in screen_text(pilot))
        assert "similar" in screen_text(pilot).splitlines()[0]
        assert [r.ref for r in client.requests if isinstance(r, Similar)] == ["qmd://notes/n0.md"]
        await pilot.press("escape")
        await until(pilot, lambda: "8 results" in screen_text(pilot))
        assert app.screen.query_one(QueryInput).value == "v"


async def test_the_pager_opens_at_the_line(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(outside, "run", lambda _, command, __: started.append(command))
    app = QmdApp(line, quick(pager="less -R"))
    async with app.run_test() as pilot:
        await ask(pilot, "v")
        await pilot.press("alt+v")
        await until(pilot, lambda: started)
    assert started == [["less", "-R", "+42", "/library/n0.md"]]


async def test_markdown_as_text_and_as_source(app: QmdApp, client: FakeClient) -> None:
    def markdown(request: Any) -> Any:
        found = document(request)
        text = "# Head\n\nthe **vector** engine\n"
        return msgspec.structs.replace(found, text=text, first_line=41, total_lines=43)

    client.on(Get, markdown)
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "v")
        await until(pilot, lambda: "the **vector** engine" in screen_text(pilot))
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "the vector engine" in screen_text(pilot) and "**" not in screen_text(pilot))
        await pilot.press("ctrl+t")
        await until(pilot, lambda: "**vector**" in screen_text(pilot))


async def test_from_match_to_match_also_past_what_is_loaded(line: Line, client: FakeClient) -> None:
    def sparse(request: Any) -> Any:
        found = document(request)
        numbered = enumerate(found.text.split("\n"), found.first_line)
        lines = [text if number in {42, 60, 900} else "nothing" for number, text in numbered]
        return msgspec.structs.replace(found, text="\n".join(lines))

    client.on(Get, sparse)
    app = QmdApp(line, quick(window_lines=100))
    async with app.run_test(size=(120, 24)) as pilot:
        await ask(pilot, "v")
        screen = app.screen
        assert isinstance(screen, SearchScreen)
        await until(pilot, lambda: "line 42 of" in screen_text(pilot))
        for key, line_shown in (("alt+down", 60), ("alt+down", 900), ("alt+up", 60)):
            await pilot.press(key)
            await until(
                pilot, lambda line_shown=line_shown: f"{line_shown}▎ line {line_shown} of" in screen_text(pilot)
            )
        await pilot.press("alt+down", "alt+down", "alt+down")
        await until(pilot, lambda: "900▎ line 900 of" in screen_text(pilot))


async def test_a_file_is_left_out_of_its_collection_and_taken_back(app: QmdApp, client: FakeClient) -> None:
    job = Job(id="1", kind="update", index="index", state="done")
    client.on(CollectionChange, Done())
    client.on(Update, JobReply(job=job))
    rules = CollectionInfo(name="notes", path="/library", pattern="**/*.md", ignore=["drafts/"])
    client.on(Status, status(index=index(collections=[rules])))
    async with app.run_test() as pilot:
        await ask(pilot, "v")
        await pilot.press("alt+i")
        await until(pilot, lambda: any(isinstance(r, Update) for r in client.requests))
        (change,) = [r for r in client.requests if isinstance(r, CollectionChange)]
        assert (change.name, change.ignore) == ("notes", ["drafts/", "/n0.md"])
        rules = CollectionInfo(name="notes", path="/library", pattern="**/*.md", ignore=["drafts/", "/n0.md"])
        client.on(Status, status(index=index(collections=[rules])))
        app.session._stale.set()
        screen = app.screen
        assert isinstance(screen, SearchScreen)
        await until(pilot, lambda: screen.index is not None and len(screen.index.collections[0].ignore) == 2)
        await pilot.press("alt+i")
        await until(pilot, lambda: len([r for r in client.requests if isinstance(r, CollectionChange)]) == 2)
        assert [r for r in client.requests if isinstance(r, CollectionChange)][-1].ignore == ["drafts/"]


async def test_what_was_of_use_is_remembered_and_recalled(line: Line, tmp_path: Path) -> None:
    app = QmdApp(line, quick(history_file=str(tmp_path / "h")))
    async with app.run_test(size=(80, 24)) as pilot:
        for query in ("tea", "rain"):
            await ask(pilot, query)
            await pilot.press("escape")
        await pilot.press(*"mo", "ctrl+up")
        typed = app.screen.query_one(QueryInput)
        assert typed.value == "rain"
        await pilot.press("ctrl+up", "ctrl+down", "ctrl+down")
        assert typed.value == "mo"
        await pilot.press("escape", *"moss", "alt+w", "ctrl+r")
        await until(pilot, lambda: "★ moss" in screen_text(pilot))
        await pilot.press(*"te")
        await until(pilot, lambda: "rain" not in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: typed.value == "tea")
        await pilot.press("escape")
    kept = json.loads((tmp_path / "h").read_text())
    assert kept["saved"] == ["moss"]
    assert "rain" in kept["queries"]


async def test_where_history_is_off_it_is_kept_in_memory_alone(
    app: QmdApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with app.run_test() as pilot:
        await ask(pilot, "tea")
        await pilot.press("escape", "ctrl+up")
        assert app.screen.query_one(QueryInput).value == "tea"
    assert os.listdir(tmp_path) == []


async def test_the_right_arrow_takes_what_is_suggested(app: QmdApp) -> None:
    async with app.run_test() as pilot:
        await until(pilot, lambda: "Type to search" in screen_text(pilot))
        await pilot.press(*"tea -c no")
        await until(pilot, lambda: "tea -c notes" in screen_text(pilot).splitlines()[0])
        await pilot.press("right")
        assert app.screen.query_one(QueryInput).value == "tea -c notes"


async def test_a_key_that_was_moved(line: Line) -> None:
    app = QmdApp(line, quick(keys={"search.copy_path": "ctrl+g"}))
    async with app.run_test() as pilot:
        await ask(pilot, "v")
        await pilot.press("ctrl+y")
        assert app.clipboard == ""
        await pilot.press("ctrl+g")
        assert app.clipboard == "/library/n0.md"


async def test_a_question_mark_in_an_empty_input_shows_the_keys(app: QmdApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        await until(pilot, lambda: "Previous result" in screen_text(pilot))
        await pilot.press(*"docid")
        await until(pilot, lambda: "Previous result" not in screen_text(pilot))
        assert "Copy the docid" in screen_text(pilot)
        await pilot.press("escape", "a", "question_mark")
        assert app.screen.query_one(QueryInput).value == "a?"


async def test_the_palette_has_all_that_has_a_key(app: QmdApp) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await ask(pilot, "v")
        await pilot.press("ctrl+x", *"copy the docid")
        await until(pilot, lambda: "alt+d" in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: app.clipboard == "#000000")


async def test_the_colours_take_turns(app: QmdApp) -> None:
    async with app.run_test() as pilot:
        seen = []
        for _ in range(3):
            await pilot.press("f10")
            seen.append(app.theme)
        assert seen == ["qmd-light", "ansi-dark", "qmd-dark"]


async def test_the_language_changes_where_one_is(app: QmdApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "v")
        await pilot.press("f9")
        await until(pilot, lambda: "8 条结果" in screen_text(pilot))
        assert "1,000 行" in screen_text(pilot)
        await pilot.press("f1")
        await until(pilot, lambda: "上一条结果" in screen_text(pilot))
        await pilot.press("escape", "f9")
        await until(pilot, lambda: "8 results" in screen_text(pilot))
