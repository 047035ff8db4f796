"""The frame around the screens: help, commands, themes, and what happens when something is broken."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ipc.testing import FakeClient
from qmd_tui.app import QmdApp
from qmd_tui.screens.help import HelpScreen
from qmd_tui.screens.search import SearchScreen
from qmd_tui.session import Session
from qmd_tui.theme import DARK, LIGHT
from qmd_tui.widgets.query_input import QueryInput
from tests.tui.library import Line, ask, quick, screen_text, until


async def test_f1_shows_the_keys_and_hides_them(app: QmdApp) -> None:
    async with app.run_test(size=(80, 50)) as pilot:
        await pilot.press("t", "f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        shown = screen_text(pilot)
        for key, what in (
            ("^p", "Previous result"),
            ("f1", "Show or hide these keys"),
            ("^s", "Next mode"),
            ("^c", "Quit"),
        ):
            assert key in shown
            assert what in shown
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, SearchScreen))
        await pilot.press("e")
        assert app.screen.query_one(QueryInput).value == "te"


@pytest.mark.parametrize("key", ["escape", "f1", "enter"])
async def test_help_is_left_by_any_of_its_keys(app: QmdApp, key: str) -> None:
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, SearchScreen))


async def test_answers_arrive_below_the_help(app: QmdApp, client: FakeClient) -> None:
    from ipc.protocol import Query

    gate = client.hold(Query)
    async with app.run_test() as pilot:
        await pilot.press("t", "f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        gate.set()
        await pilot.press("f1")
        await until(pilot, lambda: "fused" in screen_text(pilot))


async def test_the_palette_is_on_f2_and_not_on_ctrl_p(app: QmdApp) -> None:
    async with app.run_test() as pilot:
        await pilot.press("ctrl+p")
        assert isinstance(app.screen, SearchScreen)
        await pilot.press("f2")
        await until(pilot, lambda: not isinstance(app.screen, SearchScreen))


@pytest.mark.parametrize("theme", [DARK, LIGHT, "ansi-dark"])
async def test_the_themes_work(line: Line, theme: str) -> None:
    app = QmdApp(line, quick(theme=theme))
    async with app.run_test() as pilot:
        await ask(pilot, "t")
        assert app.theme == theme


async def test_a_theme_that_nobody_knows_is_no_error(line: Line) -> None:
    app = QmdApp(line, quick(theme="no-such-theme"))
    async with app.run_test() as pilot:
        await ask(pilot, "t")


async def test_no_color_means_none(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = QmdApp(line, quick(color=False))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot, "t")
        await until(pilot, lambda: "line 42 of document" in screen_text(pilot))
        strips = [strip for lines in app.screen._compositor.render_strips() for strip in [lines]]
        shown = [segment for strip in strips for segment in strip if segment.style is not None]
        assert [s for s in shown if s.style and s.style.color and not s.style.color.is_default] == []
        marked = [s.text for s in shown if s.style and s.style.underline]
        assert "vector" in marked


async def test_a_bug_in_the_session_is_told_and_survived(
    line: Line, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bugs = iter([RuntimeError("a bug")])
    connect = Session._attend

    async def attend(session: Session, client: object) -> object:
        for bug in bugs:
            raise bug
        return await connect(session, client)  # type: ignore[arg-type]

    monkeypatch.setattr(Session, "_attend", attend)
    monkeypatch.setattr("qmd_tui.app._RESTART_S", 0.01)
    crash = tmp_path / "crash.log"
    app = QmdApp(line, quick(crash_file=str(crash)))
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: "an internal error" in screen_text(pilot))
        await ask(pilot, "t")
    assert "a bug" in crash.read_text()


async def test_a_bug_on_a_screen_ends_the_program_with_a_sentence(
    line: Line, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(SearchScreen, "action_next_mode", broken)
    crash = tmp_path / "crash.log"
    app = QmdApp(line, quick(crash_file=str(crash)))
    with pytest.raises(RuntimeError, match="a bug"):
        async with app.run_test() as pilot:
            await pilot.press("ctrl+s")
    assert "a bug" in crash.read_text()
    said = capsys.readouterr().err
    assert "See" in said
    assert "Traceback" not in said


async def test_quitting_leaves_no_task(line: Line) -> None:
    app = QmdApp(line, quick())
    async with app.run_test() as pilot:
        await ask(pilot, "t")
    assert [task for task in asyncio.all_tasks() if "session" in repr(task.get_coro())] == []
