"""Typing, moving, reading: what a person does on the search screen."""

from __future__ import annotations

import time

from textual import events

from ipc.errors import QmdError
from ipc.protocol import Query, Search, VSearch
from ipc.testing import FakeClient
from qmd_tui.app import QmdApp
from qmd_tui.messages import Answered, Question
from qmd_tui.screens.search import SearchScreen
from qmd_tui.widgets.document import DocumentView
from qmd_tui.widgets.query_input import QueryInput
from qmd_tui.widgets.results import Results
from tests.tui.library import ask, fused, hit, lexical, screen_text, selected, staged, until


async def test_results_of_the_words_come_at_the_first_key(app: QmdApp, client: FakeClient) -> None:
    gate = client.hold(Query, after=1)
    async with app.run_test() as pilot:
        await pilot.press("v")
        await until(pilot, lambda: "lexical 2.1 ms · …" in screen_text(pilot))
        assert "Vector search" in screen_text(pilot)
        gate.set()
        await until(pilot, lambda: "fused" in screen_text(pilot))


async def test_a_key_lays_out_nothing_but_what_has_another_size(app: QmdApp, client: FakeClient) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "v")
        laid_out: list[object] = []
        app.screen.screen_layout_refresh_signal.subscribe(app.screen, laid_out.append)
        client.hold(Query, after=1)
        client.on(Query, staged(lexical(*range(5)), fused(*range(8))))  # fewer at first
        await pilot.press("e")
        await until(pilot, lambda: "5 results" in screen_text(pilot))
        assert laid_out == []


async def test_the_first_hit_can_be_read_while_more_is_to_come(app: QmdApp, client: FakeClient) -> None:
    client.hold(Query, after=1)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("v")
        await until(pilot, lambda: "notes/n0.md · 1,000 lines" in screen_text(pilot))


async def test_every_key_asks_once_and_ends_what_the_one_before_asked(app: QmdApp, client: FakeClient) -> None:
    client.hold(Query, after=1)
    async with app.run_test() as pilot:
        for number, key in enumerate("tea", 1):
            await pilot.press(key)
            await until(pilot, lambda number=number: len(client.requests) and _asked(client)[number - 1 :])
            await until(pilot, lambda: "lexical" in screen_text(pilot))
        assert _asked(client) == ["t", "te", "tea"]
        await until(pilot, lambda: [r.query for r in client.cancelled if isinstance(r, Query)] == ["t", "te"])


def _asked(client: FakeClient) -> list[str]:
    return [request.query for request in client.requests if isinstance(request, Search | VSearch | Query)]


async def test_the_selected_document_is_followed_into_the_new_order(app: QmdApp, client: FakeClient) -> None:
    gate = client.hold(Query, after=1)
    async with app.run_test() as pilot:
        await pilot.press("v")
        await until(pilot, lambda: selected(pilot) == "n0.md")
        await pilot.press("down", "down")
        assert selected(pilot) == "n2.md"
        gate.set()
        await until(pilot, lambda: "fused" in screen_text(pilot))
        assert selected(pilot) == "n2.md"
        assert app.screen.query_one(Results).selected == 3


async def test_another_question_selects_its_first_result(app: QmdApp) -> None:
    async with app.run_test() as pilot:
        await ask(pilot, "v")
        await pilot.press("down", "down", "down", "down")
        await ask(pilot, "w")
        assert app.screen.query_one(Results).selected in {0, 1}  # the words' first, wherever the vectors put it


async def test_a_stale_answer_is_dropped(app: QmdApp) -> None:
    async with app.run_test() as pilot:
        await ask(pilot, "tea")
        screen = app.screen
        assert isinstance(screen, SearchScreen)
        before = screen_text(pilot)
        screen.post_message(Answered(Question("te", "query", screen.question.number - 1), lexical(6, 7), True))
        await pilot.pause()
        assert screen_text(pilot) == before


async def test_a_late_answer_is_dropped(app: QmdApp, client: FakeClient) -> None:
    gate = client.hold(Query)
    async with app.run_test() as pilot:
        await pilot.press("a")
        await until(pilot, lambda: _asked(client) == ["a"])
        client.on(Query, lambda request: fused(5) if request.query == "ab" else fused(6))  # type: ignore[attr-defined]
        await pilot.press("b")
        await until(pilot, lambda: _asked(client) == ["a", "ab"])
        gate.set()
        await until(pilot, lambda: "fused" in screen_text(pilot))
        assert selected(pilot) == "n5.md"
        assert [request.query for request in client.cancelled if isinstance(request, Query)] == ["a"]


async def test_the_keys_that_move(app: QmdApp) -> None:
    async with app.run_test() as pilot:
        await ask(pilot, "v")
        await pilot.press("up", "up", "up")
        assert selected(pilot) == "n3.md"
        for key, path in (
            ("down", "n0.md"),
            ("ctrl+n", "n1.md"),
            ("ctrl+j", "n2.md"),
            ("up", "n1.md"),
            ("ctrl+p", "n0.md"),
            ("ctrl+k", "n3.md"),
            ("up", "n3.md"),
        ):
            await pilot.press(key)
            assert selected(pilot) == path, key
        await pilot.press(*["down"] * 20)
        assert selected(pilot) == "n7.md"
        assert app.screen.query_one(QueryInput).value == "v"


async def test_the_list_scrolls_with_the_selection(app: QmdApp, client: FakeClient) -> None:
    client.on(Search, lexical(*range(1000)))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("ctrl+s", "ctrl+s", "ctrl+s", "ctrl+s", "v")
        await until(pilot, lambda: "1,000 results" in screen_text(pilot))
        await pilot.press(*["down"] * 60)
        await until(pilot, lambda: "n60.md" in screen_text(pilot))
        assert "▌notes/n60.md" in screen_text(pilot)


async def test_the_modes_take_turns_and_ask_anew(app: QmdApp, client: FakeClient) -> None:
    async with app.run_test() as pilot:
        await ask(pilot, "v")
        assert "query" in screen_text(pilot).splitlines()[0]
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "fused" not in screen_text(pilot))
        assert "search  v" in screen_text(pilot).splitlines()[0]
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "2 results · vectors 12 ms" in screen_text(pilot))
        assert "vsearch  v" in screen_text(pilot).splitlines()[0]
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "fused" in screen_text(pilot))
        kinds = [type(r) for r in client.requests if isinstance(r, Search | VSearch | Query)]
        assert kinds == [Query, Search, VSearch, Query]


async def test_escape_clears_and_then_quits(app: QmdApp) -> None:
    async with app.run_test() as pilot:
        await ask(pilot, "tea")
        await pilot.press("escape")
        assert app.screen.query_one(QueryInput).value == ""
        await until(pilot, lambda: "Type to search 8 documents in 1 collection." in screen_text(pilot))
        assert app.is_running
        await pilot.press("escape")
    assert app.return_code == 0


async def test_ctrl_c_quits(app: QmdApp) -> None:
    async with app.run_test() as pilot:
        await pilot.press("t", "ctrl+c")
    assert app.return_code == 0


async def test_an_error_stands_below_the_input(app: QmdApp, client: FakeClient) -> None:
    client.on(VSearch, QmdError("no_model", "No embedding model is installed.", "Run `qmd check --download`."))
    async with app.run_test() as pilot:
        await pilot.press("ctrl+s", "ctrl+s", "v")
        await until(pilot, lambda: "No embedding model is installed." in screen_text(pilot).splitlines()[1])


async def test_why_vectors_are_missing_is_said(app: QmdApp, client: FakeClient) -> None:
    from ipc.protocol import Stage

    reply = lexical(1)
    missing = Stage(name="vector", ran=False, reason="no model")
    client.on(Query, type(reply)(results=reply.results, stage="lexical", stages=[*reply.stages, missing]))
    async with app.run_test() as pilot:
        await pilot.press("v")
        await until(pilot, lambda: "1 result · lexical 2.1 ms · vectors: no model" in screen_text(pilot))


async def test_how_old_the_file_is_stands_below_the_score(app: QmdApp, client: FakeClient) -> None:
    found = lexical(0, 1)
    old = hit(0, modified_at=time.time() - 3.5 * 86_400)
    client.on(Query, type(found)(results=[old, hit(1)], stage="lexical", stages=found.stages))
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "v")
        first, second = (line for line in screen_text(pilot).splitlines() if "notes/n" in line and ":42" in line)
        assert "notes/n0.md:42" in first
        assert "3 d" in first
        assert "3 d" not in second


async def test_nothing_found_says_so(app: QmdApp, client: FakeClient) -> None:
    client.on(Search, lexical())
    client.on(Query, lexical())
    async with app.run_test() as pilot:
        await pilot.press(*"zzz")
        await until(pilot, lambda: "Nothing matches “zzz”." in screen_text(pilot))


async def test_the_preview_shows_the_matching_line_with_the_match_marked(app: QmdApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "v")
        await until(pilot, lambda: "notes/n0.md · 1,000 lines" in screen_text(pilot))
        lines = [line for line in screen_text(pilot).splitlines() if "42▎ line 42 of document 0" in line]
        assert len(lines) == 1
        view = app.screen.query_one(DocumentView)
        assert view.page is not None
        text, matches = view.page.text(view.page.rows[view.page.row_of(42)])
        assert [text[a:b] for a, b in matches] == ["vector"]
        match = view.get_component_rich_style("document--match", partial=True)
        y = view.page.row_of(42) - view.scroll_offset.y
        assert [s.text for s in view.render_line(y) if s.style and s.style.bgcolor == match.bgcolor] == ["vector"]


async def test_the_preview_follows_the_selection(app: QmdApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "v")
        await pilot.press("down")
        await until(pilot, lambda: "notes/n1.md · 1,000 lines" in screen_text(pilot))


async def test_the_preview_scrolls_and_fetches_what_lies_beyond(app: QmdApp, client: FakeClient) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "v")
        view = app.screen.query_one(DocumentView)
        await until(pilot, lambda: view.page)
        top = view.scroll_offset.y
        await pilot.press("shift+down")
        assert view.scroll_offset.y == top + 1
        await pilot.press("shift+up", "pagedown")
        assert view.scroll_offset.y == top + view.size.height // 2
        await pilot.press("pageup")
        assert view.scroll_offset.y == top
        first = view.page.last  # type: ignore[union-attr]
        for _ in range(40):
            await pilot.press("pagedown")
        await until(pilot, lambda: view.page is not None and view.page.last > first)
        shown = view.page.line_of(view.scroll_offset.y)  # type: ignore[union-attr]
        assert f"line {shown} of document 0" in screen_text(pilot)


async def test_the_preview_can_be_hidden(app: QmdApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "v")
        await until(pilot, lambda: "of document 0 tells" in screen_text(pilot))
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "of document 0 tells" not in screen_text(pilot))
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "of document 0 tells" in screen_text(pilot))


async def test_the_mouse_selects_and_opens(app: QmdApp) -> None:
    from qmd_tui.messages import OpenRequested

    seen: list[object] = []
    async with app.run_test(size=(120, 40), message_hook=seen.append) as pilot:
        await ask(pilot, "v")
        await pilot.click(Results, offset=(5, 7))
        assert selected(pilot) == "n1.md"
        await pilot.double_click(Results, offset=(5, 10))
        await until(pilot, lambda: any(isinstance(m, OpenRequested) and m.hit.path == "n2.md" for m in seen))


async def test_a_pasted_text_loses_its_lines_and_controls(app: QmdApp) -> None:
    async with app.run_test() as pilot:
        query = app.screen.query_one(QueryInput)
        query.post_message(events.Paste("green\x1b[31m\ntea\u202e"))
        await until(pilot, lambda: query.value)
        assert query.value == "green [31m tea "


async def test_chinese_is_typed_found_and_shown(app: QmdApp, client: FakeClient) -> None:
    found = hit(1, snippet="用 nvidia-smi 做显存监控", matches=[(14, 18)], line=3)
    client.on(Search, type(lexical())(results=[found], stage="lexical"))
    client.on(Query, type(lexical())(results=[found], stage="fused"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("显", "存", "监", "控")
        await until(pilot, lambda: "fused" in screen_text(pilot))
        assert _asked(client)[-1] == "显存监控"
        assert "用 nvidia-smi 做显存监控" in screen_text(pilot)


async def test_hostile_text_reaches_the_screen_as_symbols(app: QmdApp, client: FakeClient) -> None:
    evil = hit(
        1,
        title="a\x1b]0;owned\x07b[red]c[/red]",
        path="x\u202egnp.exe",
        snippet="one\x9b2Jtwo [bold]",
        matches=[(0, 3)],
    )
    client.on(Search, type(lexical())(results=[evil], stage="lexical"))
    client.on(Query, type(lexical())(results=[evil], stage="fused"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("x")
        await until(pilot, lambda: "fused" in screen_text(pilot))
        shown = screen_text(pilot)
        assert not any((ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 or c == "\u202e" for c in shown)
        assert "a␛]0;owned␇b[red]c[/red]" in shown
        assert "one�2Jtwo [bold]" in shown


async def test_tiny_terminals_are_usable(app: QmdApp) -> None:
    async with app.run_test(size=(40, 12)) as pilot:
        await ask(pilot, "v")
        shown = screen_text(pilot)
        assert "Notes on [red]markup[/red]" in shown
        assert "of document 3 tells" not in shown
        assert all(len(line) <= 40 for line in shown.splitlines())
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "of document" in screen_text(pilot) and "97%" not in screen_text(pilot))
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "97%" in screen_text(pilot))


async def test_the_layout_follows_the_terminal(app: QmdApp) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "v")
        screen = app.screen
        assert isinstance(screen, SearchScreen)
        await until(pilot, lambda: screen.preview.region.x > 0)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: screen.preview.region.x == 0 and screen.preview.display)
        await pilot.resize_terminal(40, 12)
        await until(pilot, lambda: not screen.preview.display)
        await pilot.resize_terminal(10, 3)
        await pilot.pause()
        await pilot.resize_terminal(120, 40)
        await until(pilot, lambda: "42▎ line 42 of document 0" in screen_text(pilot))
