"""Every key of every screen does what it is there for. The keys come from the program's own table: one that is new, and
has no effect listed here, fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.pilot import Pilot
from textual.widgets import Input

from ipc import protocol
from ipc.protocol import JobReply, LogEvent, Query, Request, Similar
from ipc.testing import FakeClient
from qmd_tui import keys, language, outside
from qmd_tui.app import QmdApp
from qmd_tui.screens.dialogs import ConfirmScreen, FormScreen, ReadScreen
from qmd_tui.screens.help import HelpScreen
from qmd_tui.screens.panel import Panel
from qmd_tui.screens.recall import RecallScreen
from qmd_tui.screens.search import SearchScreen
from tests.tui.library import Line, ask, fused, hit, lexical, quick, screen_text, selected, until
from tests.tui.test_panels import MODELS, NOTES, OVER, RUNNING, WORK, index, status

SIZE = (120, 40)


class Scene:
    """The app as a test reads it."""

    def __init__(self, pilot: Pilot[Any], client: FakeClient, started: list[Sequence[str]]) -> None:
        self.pilot = pilot
        self.client = client
        self.started = started
        self.app: Any = pilot.app

    @property
    def screen(self) -> Any:
        return self.app.screen

    @property
    def text(self) -> str:
        return screen_text(self.pilot)

    @property
    def asked(self) -> str:
        value: str = self.screen.query(Input).first().value
        return value

    @property
    def mode(self) -> str:
        return str(self.screen.query_one("#mode").content)

    @property
    def top(self) -> int:
        """How far down the document is."""
        return int(self.screen.preview.view.scroll_offset.y)

    @property
    def log_top(self) -> int:
        return int(self.screen.query_one("#lines").scroll_offset.y)

    def wants(self, kind: type[Request]) -> bool:
        return any(isinstance(request, kind) for request in self.client.requests)


@dataclass
class Effect:
    """`before` and `after` are keys that lead there and back; `measure`d before the key, it is the check's second."""

    check: Callable[[Scene, Any], object]
    before: Sequence[str] = ()
    after: Sequence[str] = ()
    measure: Callable[[Scene], Any] = lambda _: None


def opens(kind: type[Any], *before: str) -> Effect:
    return Effect(lambda scene, _: isinstance(scene.screen, kind), before, ("escape",))


def visits(name: str) -> Effect:
    return Effect(lambda scene, _: scene.screen.__class__.__name__ == name, (), ("escape",))


def asks(kind: type[Request], *before: str, after: Sequence[str] = ()) -> Effect:
    return Effect(lambda scene, _: scene.wants(kind), before, after)


def copies(text: str) -> Effect:
    return Effect(lambda scene, _: scene.app.clipboard == text)


APP = {
    "app.help": opens(HelpScreen),
    "app.palette": opens(CommandPalette),
    "app.collections": visits("CollectionsScreen"),
    "app.models": visits("ModelsScreen"),
    "app.gpu": visits("GpuScreen"),
    "app.log": visits("LogScreen"),
    "app.language": Effect(lambda scene, _: "个结果" in scene.text or "条结果" in scene.text, (), ("f9",)),
    "app.theme": Effect(lambda scene, before: scene.app.theme != before, measure=lambda scene: scene.app.theme),
}
SEARCH = {
    "search.previous": Effect(lambda scene, _: selected(scene.pilot) == "n0.md", ("down",)),
    "search.next": Effect(lambda scene, _: selected(scene.pilot) == "n1.md", (), ("up",)),
    "search.open": Effect(lambda scene, _: ["vim", "+42", "/library/n0.md"] in scene.started),
    "search.page": Effect(lambda scene, _: ["less", "+42", "/library/n0.md"] in scene.started),
    "search.mode": Effect(lambda scene, _: scene.mode == "search", (), ("ctrl+s", "ctrl+s")),
    "search.pick": Effect(
        lambda scene, _: "1 picked" in scene.text and selected(scene.pilot) == "n1.md", (), ("escape", "up")
    ),
    "search.pick_up": Effect(
        lambda scene, _: "1 picked" in scene.text and selected(scene.pilot) == "n0.md", ("down",), ("escape",)
    ),
    "search.copy_path": copies("/library/n0.md"),
    "search.copy_line": copies("/library/n0.md:42"),
    "search.copy_docid": copies("#000000"),
    "search.copy_passage": copies(hit(0).snippet),
    "search.explain": Effect(lambda scene, _: "Found by" in scene.text or "trace" in scene.text, (), ("ctrl+e",)),
    "search.similar": asks(Similar, after=("escape",)),
    "search.rendered": Effect(lambda scene, _: scene.screen.preview.view.rendered, (), ("ctrl+t",)),
    "search.preview": Effect(lambda scene, _: not scene.screen.preview.display, (), ("ctrl+o",)),
    "search.line_up": Effect(
        lambda scene, before: scene.top == before - 1, ("pagedown",), measure=lambda scene: scene.top
    ),
    "search.line_down": Effect(lambda scene, before: scene.top == before + 1, measure=lambda scene: scene.top),
    "search.page_up": Effect(
        lambda scene, before: scene.top < before - 5, ("pagedown",), measure=lambda scene: scene.top
    ),
    "search.page_down": Effect(lambda scene, before: scene.top > before + 5, measure=lambda scene: scene.top),
    "search.match_up": Effect(
        lambda scene, before: scene.screen.preview.view.sought not in {None, before},
        measure=lambda scene: scene.screen.preview.view.sought,
    ),
    "search.match_down": Effect(
        lambda scene, before: scene.screen.preview.view.sought not in {None, before},
        measure=lambda scene: scene.screen.preview.view.sought,
    ),
    "search.older": Effect(lambda scene, _: scene.asked == "before", (), ("ctrl+down",)),
    "search.newer": Effect(lambda scene, _: scene.asked == "v", ("ctrl+up",)),
    "search.recall": opens(RecallScreen),
    "search.save": Effect(lambda scene, _: scene.screen.history.saved == ["v"], (), ("alt+w",)),
    "search.ignore": asks(protocol.CollectionChange),
    "search.clear": Effect(lambda scene, _: scene.asked == "", (), ("v",)),
}
BACK = {"screen.back": Effect(lambda scene, _: isinstance(scene.screen, SearchScreen))}
COLLECTIONS = {
    "collections.add": opens(FormScreen),
    "collections.remove": opens(ConfirmScreen),
    "collections.rename": opens(FormScreen),
    "collections.context": opens(FormScreen),
    "collections.include": asks(protocol.CollectionChange),
    "collections.ignore": opens(FormScreen),
    "collections.update": asks(protocol.Update),
    "collections.embed": asks(protocol.EmbedIndex),
    "collections.cancel": asks(protocol.JobCancel, "tab", after=("tab",)),
    "collections.resume": asks(protocol.Update, "tab", "down", after=("up", "tab")),
    "collections.details": Effect(
        lambda scene, _: isinstance(scene.screen, ReadScreen), ("tab", "down"), ("escape", "up", "tab")
    ),
    "collections.switch": Effect(lambda scene, _: scene.screen.query_one("#jobs").has_focus, (), ("tab",)),
}
MODELS_KEYS = {
    "models.fetch": asks(protocol.Pull),
    "models.load": asks(protocol.ModelsLoad),
    "models.unload": asks(protocol.ModelsUnload),
    "models.switch": opens(ReadScreen),
}
LOG = {
    "log.level": Effect(lambda scene, _: "warnings and errors" in scene.text, (), ("ctrl+l", "ctrl+l")),
    "log.up": Effect(lambda scene, before: scene.log_top == before - 1, measure=lambda scene: scene.log_top),
    "log.down": Effect(lambda scene, before: scene.log_top == before + 1, ("up",), measure=lambda scene: scene.log_top),
    "log.page_up": Effect(lambda scene, before: scene.log_top == before - 10, measure=lambda scene: scene.log_top),
    "log.page_down": Effect(
        lambda scene, before: scene.log_top == before + 10, ("pageup",), measure=lambda scene: scene.log_top
    ),
}
LEAVE = {"search.print": ["/library/n0.md"], "app.quit": None}


@pytest.fixture(autouse=True)
def _furnished(client: FakeClient) -> Iterator[None]:
    client.on(Query, fused(*range(8)))
    client.on(Similar, lexical(1, 2))
    client.on(protocol.Status, status(index=index(collections=[NOTES, WORK]), jobs=[RUNNING]))
    client.on(protocol.JobList, protocol.JobsReply(jobs=[RUNNING, OVER]))
    client.on(protocol.Catalog, protocol.CatalogReply(models=MODELS, profile="cpu"))
    client.on(protocol.Ps, protocol.PsReply(models=[]))
    for kind in (protocol.Update, protocol.EmbedIndex, protocol.JobCancel, protocol.Pull):
        client.on(kind, JobReply(job=RUNNING))
    client.on(protocol.CollectionChange, protocol.Done())
    for kind in (protocol.ModelsLoad, protocol.ModelsUnload):
        client.on(kind, protocol.PsReply(models=[]))
    yield
    language.use(language.ENGLISH)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """What would have been started: a test's terminal cannot be handed over."""
    commands: list[Sequence[str]] = []
    monkeypatch.setattr(outside, "run", lambda app, command, what: commands.append(command))
    return commands


def bindings(table: Sequence[BindingType]) -> list[Binding]:
    return [one for one in table if isinstance(one, Binding) and one.id not in LEAVE]


async def act(scene: Scene, table: Sequence[BindingType], effects: dict[str, Effect]) -> None:
    """Press each key of the table, look for its effect, and go back."""
    for binding in bindings(table):
        assert binding.id in effects, f"{binding.id} is not tested: say above what its keys do"
        effect = effects[binding.id]
        for key in binding.key.split(","):
            await scene.pilot.press(*effect.before)
            await scene.pilot.pause()
            scene.client.requests.clear()
            scene.started.clear()
            before = effect.measure(scene)
            await scene.pilot.press(key)
            await until(scene.pilot, lambda effect=effect, before=before: effect.check(scene, before))  # type: ignore[misc]
            await scene.pilot.press(*effect.after)
            await scene.pilot.pause()


async def test_the_search_screen_and_every_screen(line: Line, client: FakeClient, started: list[Sequence[str]]) -> None:
    app = QmdApp(line, quick(editor="vim", pager="less"))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        scene = Scene(pilot, client, started)
        scene.screen.history.add("before")
        await ask(pilot, "v")
        await until(pilot, lambda: "line 42 of document 0" in scene.text)
        await act(scene, keys.APP, APP)
        await act(scene, keys.SEARCH, SEARCH)


@pytest.mark.parametrize(
    ("key", "shown", "tested"),
    [
        ("f3", "cancelled", (keys.COLLECTIONS, COLLECTIONS)),
        ("f4", "* small", (keys.MODELS, MODELS_KEYS)),
        ("f6", "event.99", (keys.LOG, LOG)),
        ("f5", "No reading yet.", (keys.SCREEN, BACK)),
    ],
    ids=["collections", "models", "log", "gpu"],
)
async def test_the_other_screens(
    app: QmdApp, client: FakeClient, key: str, shown: str, tested: tuple[Sequence[BindingType], dict[str, Effect]]
) -> None:
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        scene = Scene(pilot, client, [])
        await until(pilot, lambda: "Type to search" in scene.text and client.listeners)
        for number in range(100):
            client.emit("log", LogEvent(at=1.0, level="info", event=f"event.{number}"))
        await pilot.press(key)
        await until(pilot, lambda: isinstance(scene.screen, Panel) and shown in scene.text)
        await act(scene, *tested)


@pytest.mark.parametrize("name", LEAVE)
async def test_the_keys_that_leave(line: Line, name: str) -> None:
    (binding,) = [one for one in (*keys.SEARCH, *keys.APP) if isinstance(one, Binding) and one.id == name]
    for key in binding.key.split(","):
        app = QmdApp(line, quick())
        async with app.run_test(size=SIZE) as pilot:
            await ask(pilot, "v")
            await until(pilot, lambda: selected(pilot) == "n0.md")
            await pilot.press(key)
            await until(pilot, lambda app=app: app._exit)  # type: ignore[misc]
        assert app.return_value == LEAVE[name]


def test_every_name_has_its_effect() -> None:
    listed = {*APP, *SEARCH, *BACK, *COLLECTIONS, *MODELS_KEYS, *LOG, *LEAVE}
    assert listed == set(keys.NAMES)
