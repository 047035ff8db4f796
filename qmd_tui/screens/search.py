"""The search screen: the input on top, results as you type, the document beside them."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.screen import Screen
from textual.widgets import Input, Static

from ipc.protocol import IndexStatus
from qmd_tui import keys
from qmd_tui.messages import (
    MODES,
    Answered,
    AskFailed,
    ConnectionChanged,
    DocumentFailed,
    DocumentLoaded,
    EngineReported,
    GpuSampled,
    IndexReported,
    JobProgressed,
    Mode,
    OpenRequested,
    Question,
    QuestionAsked,
)
from qmd_tui.settings import Settings
from qmd_tui.widgets.guide import Guide
from qmd_tui.widgets.hit import first_match_line
from qmd_tui.widgets.preview import Preview
from qmd_tui.widgets.query_input import QueryInput
from qmd_tui.widgets.results import Results
from qmd_tui.widgets.stages import StageLine
from qmd_tui.widgets.status import StatusBar

# List and preview: beside each other from so many columns on, one above the other from so many lines on,
# and only the list in less than that.
_COLUMNS = [(0, "-narrow"), (100, "-wide")]
_LINES = [(0, "-short"), (20, "-tall")]


class SearchScreen(Screen[None]):
    """Keeps what is asked; an answer to anything older is dropped."""

    CSS_PATH = "search.tcss"
    BINDINGS = keys.SEARCH
    AUTO_FOCUS = "QueryInput"
    HORIZONTAL_BREAKPOINTS = _COLUMNS
    VERTICAL_BREAKPOINTS = _LINES

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._question = Question("", "query", 0)
        self._answered: Question | None = None
        self._connection = ConnectionChanged("connecting")
        self._index: IndexStatus | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="ask"):
            yield Static(id="mode")
            yield QueryInput()
        yield StageLine(id="stages")
        with Container(id="body"):
            with Container(id="list"):
                yield Guide(id="guide")
                yield Results(id="results")
            yield Preview(id="preview")
        yield StatusBar(id="status")

    def on_mount(self) -> None:
        self._show_mode()
        self._show_guide()

    @property
    def results(self) -> Results:
        return self.query_one(Results)

    @property
    def preview(self) -> Preview:
        return self.query_one(Preview)

    @property
    def status(self) -> StatusBar:
        return self.query_one(StatusBar)

    @property
    def stages(self) -> StageLine:
        return self.query_one(StageLine)

    @property
    def question(self) -> Question:
        """What stands in the input now."""
        return self._question

    # -- what the person does ----------------------------------------------------------------

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        self._ask(message.value.strip(), self._question.mode)

    def on_results_selected(self, message: Results.Selected) -> None:
        message.stop()
        self.preview.show(message.hit)

    def on_results_chosen(self, message: Results.Chosen) -> None:
        message.stop()
        self.action_open()

    def action_move(self, by: int) -> None:
        self.results.move(by)

    def action_open(self) -> None:
        if (hit := self.results.hit) is not None:
            self.post_message(OpenRequested(hit, first_match_line(hit)))

    def action_next_mode(self) -> None:
        mode = MODES[(MODES.index(self._question.mode) + 1) % len(MODES)]
        self._ask(self._question.text, mode)
        self._show_mode()

    def action_toggle_preview(self) -> None:
        """The opposite of what is shown. Where there is no room for both, the preview takes the list's place."""
        shown = self.preview.display
        self.set_class(not shown, "-preview")
        self.set_class(shown, "-no-preview")

    def action_scroll_preview(self, lines: int) -> None:
        self.preview.view.scroll_relative(y=lines, animate=False)

    def action_page_preview(self, halves: int) -> None:
        view = self.preview.view
        view.scroll_relative(y=halves * max(view.size.height // 2, 1), animate=False)

    def action_clear_or_quit(self) -> None:
        query = self.query_one(QueryInput)
        if query.value:
            query.value = ""
        else:
            self.app.exit()

    def _ask(self, text: str, mode: Mode) -> None:
        if (text, mode) == (self._question.text, self._question.mode):
            return
        self._question = Question(text, mode, self._question.number + 1)
        self.post_message(QuestionAsked(self._question))
        if not text:
            self.results.show([], follow=False)
            self.stages.clear()
        self._show_guide()

    # -- what the session reports ------------------------------------------------------------

    def on_answered(self, message: Answered) -> None:
        if message.question.number != self._question.number:
            return
        again = self._answered is not None and self._answered.number == message.question.number
        if message.final or message.reply.results:
            self.results.show(message.reply.results, follow=again)
            self._answered = message.question
        self.stages.show_answer(message)
        self._show_guide(answered=message.final)

    def on_ask_failed(self, message: AskFailed) -> None:
        if message.question.number == self._question.number:
            self.stages.show_error(message.error)

    def on_document_loaded(self, message: DocumentLoaded) -> None:
        self.preview.load(message.wanted, message.document)

    def on_document_failed(self, message: DocumentFailed) -> None:
        self.preview.fail(message.wanted, message.error)

    def on_connection_changed(self, message: ConnectionChanged) -> None:
        self._connection = message
        self.status.show_connection(message)
        self._show_guide()

    def on_index_reported(self, message: IndexReported) -> None:
        self._index = message.index
        self.status.show_index(message.index)
        self._show_guide()

    def on_engine_reported(self, message: EngineReported) -> None:
        self.status.show_engine(message.engine)

    def on_gpu_sampled(self, message: GpuSampled) -> None:
        self.status.show_sample(message.sample)

    def on_job_progressed(self, message: JobProgressed) -> None:
        self.status.show_job(message.job)

    def _show_mode(self) -> None:
        self.query_one("#mode", Static).update(self._question.mode)

    def _show_guide(self, *, answered: bool = False) -> None:
        """The list where there are results, else what to do next."""
        guide, empty = self.query_one(Guide), not self.results.hits
        guide.display, self.results.display = empty, not empty
        if empty:
            guide.show(self._connection, self._index, self._question, answered)
