"""The terminal UI's app: it wires the session to the screens, and opens the editor. The screens do the rest."""

from __future__ import annotations

import subprocess
import traceback
from functools import partial

from textual.app import App, SuspendNotSupported
from textual.content import Content
from textual.message import Message
from textual.worker import Worker, WorkerError, WorkerState

from ipc.errors import QmdError
from ipc.paths import DEFAULT_INDEX, Paths
from qmd_tui import editor, keys
from qmd_tui.messages import DocumentWanted, OpenRequested, QuestionAsked
from qmd_tui.output import safe
from qmd_tui.screens.help import HelpScreen
from qmd_tui.screens.search import SearchScreen
from qmd_tui.session import Connect, Session
from qmd_tui.settings import Settings
from qmd_tui.theme import themes

_RESTART_S = 1.0


def run(paths: Paths, *, index: str = DEFAULT_INDEX) -> int:
    """Show the terminal UI until the person leaves it. Returns the exit code."""
    from qmd_tui.attach import attach

    settings = Settings.from_environment(index=index, crash_file=f"{paths.state}/tui-crash.log")
    app = QmdApp(partial(attach, paths), settings)
    app.run()
    return app.return_code or 0


class QmdApp(App[None]):
    TITLE = "qmd"
    DEFAULT_MODE = "search"
    BINDINGS = keys.APP

    def __init__(self, connect: Connect, settings: Settings) -> None:
        # Without colours, Textual's filter takes them all away only from what it takes for the terminal's own.
        super().__init__(ansi_color=None if settings.color else True)
        self.settings = settings
        self.session = Session(connect, self.deliver, settings)
        self._session_worker: Worker[None] | None = None
        self.add_mode(self.DEFAULT_MODE, lambda: SearchScreen(settings))

    def on_mount(self) -> None:
        for theme in themes():
            self.register_theme(theme)
        if self.settings.theme in self.available_themes:
            self.theme = self.settings.theme
        self.call_after_refresh(self._start_session)  # the first frame does not wait for the daemon

    async def on_unmount(self) -> None:
        """Let the session close its connection before the loop ends."""
        if self._session_worker is not None:
            self._session_worker.cancel()
            try:
                await self._session_worker.wait()
            except WorkerError:
                pass  # cancelled, or reported already

    def deliver(self, fact: Message) -> None:
        """Hand a fact of the session to every open screen, also to those below a dialog."""
        for screen in self.screen_stack:
            screen.post_message(fact)

    def on_question_asked(self, message: QuestionAsked) -> None:
        self.session.ask(message.question)

    def on_document_wanted(self, message: DocumentWanted) -> None:
        self.session.fetch(message.wanted)

    def on_open_requested(self, message: OpenRequested) -> None:
        self.run_worker(self._open(message), group="open", exclusive=True)

    def action_help(self) -> None:
        if isinstance(self.screen, HelpScreen):
            self.pop_screen()
        else:
            self.push_screen(HelpScreen(self.screen.active_bindings.values()))

    async def _open(self, wish: OpenRequested) -> None:
        try:
            document = await self.session.document(wish.hit.file, wish.line, 1)
            if not document.location:
                raise QmdError("not_found", "This document has no file on this machine.")
            self._edit(editor.command(self.settings.editor, document.location, wish.line))
        except QmdError as error:
            self.complain(error)

    def _edit(self, command: list[str]) -> None:
        """Give the terminal to the editor until it ends."""
        try:
            with self.suspend():
                code = subprocess.run(command, check=False).returncode
        except SuspendNotSupported:
            raise QmdError("invalid", "This terminal cannot be handed to an editor.") from None
        except OSError as error:
            raise QmdError("not_found", f"Cannot start {command[0]}: {error.strerror}.", "Check $EDITOR.") from None
        if code:
            raise QmdError("invalid", f"{command[0]} ended with exit code {code}.")

    def complain(self, error: QmdError) -> None:
        self.notify(safe.block(str(error)), severity="error", markup=False)

    # -- what must never happen --------------------------------------------------------------

    def _start_session(self) -> None:
        self._session_worker = self.run_worker(self.session.run, name="session", exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A bug in the session: note it down, tell, and go on with a new connection."""
        if event.worker is self._session_worker and event.state is WorkerState.ERROR and event.worker.error is not None:
            self._note_crash(event.worker.error)
            self.complain(QmdError("internal", "The connection broke: an internal error.", self._see_crash_file()))
            self.set_timer(_RESTART_S, self._start_session)

    def _fatal_error(self) -> None:
        """Textual prints a traceback with all variables here. A person gets a sentence, and where the rest is."""
        if self._exception is not None:
            self._note_crash(self._exception)
        self.panic(Content(f"qmd: the program has stopped: an internal error. {self._see_crash_file()}").plain)

    def _note_crash(self, error: BaseException) -> None:
        try:
            with open(self.settings.crash_file, "w", encoding="utf-8") as file:
                file.writelines(traceback.format_exception(error))
        except OSError:
            pass  # a full disk is no reason for a second crash

    def _see_crash_file(self) -> str:
        return f"See {self.settings.crash_file}."
