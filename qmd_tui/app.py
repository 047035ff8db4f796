"""The terminal UI's app: it wires the session to the screens, and opens the editor. The screens do the rest."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar

from textual.app import App, SystemCommand
from textual.command import Provider
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.worker import Worker, WorkerError, WorkerState

from ipc.errors import QmdError
from qmd_tui import keys, language, upstream
from qmd_tui.facts import Facts
from qmd_tui.history import History
from qmd_tui.language import tr
from qmd_tui.messages import (
    DocumentWanted,
    LanguageChanged,
    LeaveRequested,
    OpenRequested,
    QuestionAsked,
    Wished,
)
from qmd_tui.screens.search import SearchScreen
from qmd_tui.session import Connect, Session
from qmd_tui.settings import Settings
from qmd_tui.theme import CYCLE, themes
from qmd_tui.told import Spoken, error_text

if TYPE_CHECKING:
    from qmd_tui.screens.panel import Panel

_RESTART_S = 1.0
# A frame makes thousands of objects, few of them in circles: Python's own 700 has it look for those at every key.
_COLLECT_AFTER = 10_000, 10, 10


def _commands() -> type[Provider]:
    from qmd_tui.palette import Commands  # not before the palette is opened

    return Commands


class QmdApp(App[list[str]]):
    """Returns the places of the hits that were picked, where that is how it was left."""

    TITLE = "qmd"
    DEFAULT_MODE = "search"
    # The search screen's styles are the app's: for those that come with a screen, all are parsed a second time.
    CSS_PATH = "screens/search.tcss"
    BINDINGS = keys.APP
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_commands}

    def __init__(self, connect: Connect, settings: Settings) -> None:
        upstream.mend()
        # Without colours, Textual's filter takes them all away only from what it takes for the terminal's own.
        super().__init__(ansi_color=None if settings.color else True)
        # Here, and not when it is mounted: all styles would be made a second time.
        for theme in themes():
            self.register_theme(theme)
        if settings.theme in self.available_themes:
            self.theme = settings.theme
        self.stylesheet.set_variables(self.get_css_variables())
        self._shown = False  # the first frame
        self.settings = settings
        self.facts = Facts()
        self.session = Session(connect, self.deliver, settings)
        self._session_worker: Worker[None] | None = None
        language.use(settings.language)
        history = History(settings.history_file)
        self.add_mode(self.DEFAULT_MODE, lambda: SearchScreen(settings, history, self.size))

    def on_load(self) -> None:
        self.stylesheet.apply(self)  # before anything inherits from it, and keeps what it got

    def on_mount(self) -> None:
        self.set_keymap(self.settings.keys)
        self.call_after_refresh(self._start_session)  # the first frame does not wait for the daemon

    async def on_unmount(self) -> None:
        """Let the session close its connection before the loop ends."""
        if self._session_worker is not None:
            self._session_worker.cancel()
            try:
                await self._session_worker.wait()
            except WorkerError:
                pass  # cancelled, or reported already

    def refresh_css(self, animate: bool = True) -> None:
        """Before the first frame the styles are those of the theme already: making them again is a third of it."""
        if self._shown:
            super().refresh_css(animate)

    def deliver(self, fact: Message) -> None:
        """Hand a fact of the session to every open screen, also to those below a dialog."""
        self.facts.note(fact)
        for screen in self.screen_stack:
            screen.post_message(fact)

    # -- what the screens wish -----------------------------------------------------------------

    def on_question_asked(self, message: QuestionAsked) -> None:
        self.session.ask(message.question)

    def on_document_wanted(self, message: DocumentWanted) -> None:
        self.session.fetch(message.wanted)

    def on_wished(self, message: Wished) -> None:
        self.session.wish(message.request)

    def on_open_requested(self, message: OpenRequested) -> None:
        self.run_worker(self._open(message), group="open", exclusive=True)

    def on_leave_requested(self, message: LeaveRequested) -> None:
        screen = self.screen
        if isinstance(screen, SearchScreen):
            self.exit([screen.location(hit) for hit in message.hits])

    async def _open(self, wish: OpenRequested) -> None:
        from qmd_tui import editor, outside

        try:
            document = await self.session.document(wish.hit.file, wish.line, 1)
            if not document.location:
                raise Spoken("not_found", tr("This document has no file on this machine."))
            make = editor.command if wish.using == "editor" else editor.pager
            configured = self.settings.editor if wish.using == "editor" else self.settings.pager
            outside.run(self, make(configured, document.location, wish.line), wish.using)
        except QmdError as error:
            self.complain(error)

    # -- the keys of every screen --------------------------------------------------------------

    def action_help(self) -> None:
        from qmd_tui.screens.help import HelpScreen

        if isinstance(self.screen, HelpScreen):
            self.pop_screen()
        else:
            self.push_screen(HelpScreen(self.screen.active_bindings.values()))

    def action_command_palette(self) -> None:
        from qmd_tui.palette import palette

        if not isinstance(self.screen, ModalScreen):
            self.push_screen(palette())

    def action_visit(self, name: str) -> None:
        """Go to a screen beside the search screen; from there to another, and by the same key back."""
        from qmd_tui.screens.panel import Panel

        if isinstance(self.screen, ModalScreen):
            return
        kind = _panel(name)
        if isinstance(self.screen, kind):
            self.pop_screen()
            return
        if isinstance(self.screen, Panel):
            self.pop_screen()
        self.push_screen(kind(self.facts, self.settings))

    def action_next_language(self) -> None:
        language.use(language.following(language.current()))
        self.deliver(LanguageChanged())

    def action_next_theme(self) -> None:
        at = CYCLE.index(self.theme) if self.theme in CYCLE else -1
        self.theme = CYCLE[(at + 1) % len(CYCLE)]

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """All that has a key, by what it does."""
        shown = {active.binding.id: active for active in screen.active_bindings.values() if active.binding.id}
        for active in (shown[name] for name in keys.NAMES if name in shown):
            binding = active.binding

            async def act(node: object = active.node, action: str = binding.action) -> None:
                await self.run_action(action, node)  # type: ignore[arg-type]

            yield SystemCommand(tr(binding.description), self.get_key_display(binding), act)

    def complain(self, error: QmdError) -> None:
        self.notify(error_text(error), severity="error", markup=False)

    # -- what must never happen --------------------------------------------------------------

    def _start_session(self) -> None:
        self._shown = True
        if not gc.isenabled():  # qmd_tui.cli.main has left it to us
            gc.freeze()  # what is there by now stays: looking through it again would be felt at some key
            gc.set_threshold(*_COLLECT_AFTER)
            gc.enable()
        self._session_worker = self.run_worker(self.session.run, name="session", exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A bug in the session: note it down, tell, and go on with a new connection."""
        if event.worker is self._session_worker and event.state is WorkerState.ERROR and event.worker.error is not None:
            self._note_crash(event.worker.error)
            self.complain(Spoken("internal", tr("The connection broke: an internal error."), self._see_crash_file()))
            self.set_timer(_RESTART_S, self._start_session)

    def _fatal_error(self) -> None:
        """Textual prints a traceback with all variables here. A person gets a sentence, and where the rest is."""
        if self._exception is not None:
            self._note_crash(self._exception)
        stopped = tr("The program has stopped: an internal error.")
        self.panic(Content(f"qmd: {stopped} {self._see_crash_file()}").plain)

    def _note_crash(self, error: BaseException) -> None:
        try:
            with open(self.settings.crash_file, "w", encoding="utf-8") as file:
                file.writelines(traceback.format_exception(error))
        except OSError:
            pass  # a full disk is no reason for a second crash

    def _see_crash_file(self) -> str:
        return tr("See {file}.").format(file=self.settings.crash_file)


def _panel(name: str) -> type[Panel]:
    """The screen of that name. Imported when it is gone to: the first frame needs none of them."""
    module = import_module(f"qmd_tui.screens.{name}")
    kind: type[Panel] = module.SCREEN
    return kind
