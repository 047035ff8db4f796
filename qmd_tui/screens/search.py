"""The search screen: the input on top, results as you type, the document beside them."""

from __future__ import annotations

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.geometry import Size
from textual.timer import Timer
from textual.widgets import Input, Static

from ipc.protocol import IndexStatus
from qmd_tui import keys
from qmd_tui.history import History
from qmd_tui.language import N_, tr
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
    LanguageChanged,
    Question,
    QuestionAsked,
    Refused,
)
from qmd_tui.screens.search_actions import SearchActions
from qmd_tui.settings import Settings
from qmd_tui.told import error_text
from qmd_tui.widgets.guide import Guide
from qmd_tui.widgets.preview import Preview
from qmd_tui.widgets.query_input import QueryInput
from qmd_tui.widgets.results import Results
from qmd_tui.widgets.stages import StageLine
from qmd_tui.widgets.status import StatusBar

# List and preview: beside each other from so many columns on, one above the other from so many lines on,
# and only the list in less than that.
_COLUMNS = [(0, "-narrow"), (100, "-wide")]
_LINES = [(0, "-short"), (20, "-tall")]
# What moves rows, by the order that they come in.
_MOVERS = {"fused": N_("meaning"), "vector": N_("meaning"), "reranked": N_("rerank")}
# The document of a hit is shown at once where one has moved to it, and while more is to come, after so long.
_GLANCE_S = 0.08
_DEEPER = 4  # times as many, when the end is near
_DEEPEST = 1000  # ipc.protocol.MAX_TOP_K


class SearchScreen(SearchActions):
    """Keeps what is asked; an answer to anything older is dropped."""

    BINDINGS = keys.SEARCH
    AUTO_FOCUS = "QueryInput"
    HORIZONTAL_BREAKPOINTS = _COLUMNS
    VERTICAL_BREAKPOINTS = _LINES

    def __init__(self, settings: Settings, history: History, size: Size) -> None:
        """`size`: of the terminal. Known from the start, it spares a second round of all styles."""
        super().__init__(classes=" ".join(_classes(size)))
        self.settings = settings
        self.history = history
        self.index: IndexStatus | None = None
        self._question = Question("", "query", 0)
        self._answered: Answered | None = None
        self._connection = ConnectionChanged("connecting")
        self._glance: Timer | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="ask"):
            yield Static(id="mode", markup=False)
            yield QueryInput()
        yield StageLine(id="stages")
        with Container(id="body"):
            with Container(id="list"):
                yield Guide(id="guide")
                yield Results(id="results")
            yield Preview(id="preview")
        yield StatusBar(id="status")

    def on_mount(self) -> None:
        self.query_input.completer.before = self.history.queries
        self._show_words()

    @property
    def status(self) -> StatusBar:
        return self.query_one(StatusBar)

    @property
    def question(self) -> Question:
        """What is asked now."""
        return self._question

    # -- what the person does ----------------------------------------------------------------

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        self._ask(message.value.strip())

    def on_results_selected(self, message: Results.Selected) -> None:
        message.stop()
        self._show_trace()
        if self._glance is not None:
            self._glance.stop()
        if message.hit is None or self._answered is None or self._answered.final:
            self.preview.show(message.hit)
        else:  # the first of what is found while one types is not what one reads
            self._glance = self.set_timer(_GLANCE_S, lambda: self.preview.show(self.results.hit))

    def on_results_end_neared(self, message: Results.EndNeared) -> None:
        """Ask the same once more, for more: the list goes on as far as one scrolls."""
        message.stop()
        question, answered = self._question, self._answered
        depth = question.depth or self.settings.top_k
        if answered is None or not answered.final or message.count < depth or depth >= _DEEPEST:
            return
        deeper = min(depth * _DEEPER, _DEEPEST)
        self._question = Question(question.text, question.mode, question.number, deeper, question.like)
        self.post_message(QuestionAsked(self._question))

    def action_next_mode(self) -> None:
        mode = MODES[(MODES.index(self._question.mode) + 1) % len(MODES)]
        self._put(Question(self._question.text, mode, self._question.number + 1))

    def find_like(self, file: str) -> None:
        question = self._question
        self._put(Question(question.text, question.mode, question.number + 1, like=file))

    async def action_explain(self) -> None:
        """The trace in place of the document, or the document again."""
        from qmd_tui.widgets.explain import ExplainView

        if not self.query(ExplainView):
            await self.query_one("#body").mount(ExplainView(id="explain"))
        self.toggle_class("-explain")
        self._show_trace()

    def _ask(self, text: str) -> None:
        if text != self._question.text or self._question.like:
            self._put(Question(text, self._question.mode, self._question.number + 1))

    def _put(self, question: Question) -> None:
        self._question = question
        self.post_message(QuestionAsked(question))
        if not question.text and not question.like:
            self._answered = None
            self.results.show([], follow=False)
            self.stages.clear()
        self._show_mode()
        self._show_guide()

    # -- what the session reports ------------------------------------------------------------

    def on_answered(self, message: Answered) -> None:
        if message.question.number != self._question.number:
            return
        again = self._answered is not None and self._answered.question.number == message.question.number
        if message.final or message.reply.results:
            deeper = again and message.question.depth > 0
            why = "" if deeper else _MOVERS.get(message.reply.stage, "")
            self.results.show(message.reply.results, follow=again, why=tr(why), whole=message.final)
            self._answered = message
        self.stages.show_answer(message)
        self._show_trace()
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
        self.index = message.index
        self.query_input.completer.collections = [collection.name for collection in message.index.collections]
        self.status.show_index(message.index)
        self._show_guide()

    def on_engine_reported(self, message: EngineReported) -> None:
        self.status.show_engine(message.engine)

    def on_gpu_sampled(self, message: GpuSampled) -> None:
        self.status.show_sample(message.sample)

    def on_job_progressed(self, message: JobProgressed) -> None:
        self.status.show_job(message.job)

    def on_refused(self, message: Refused) -> None:
        if self.is_current:
            self.notify(error_text(message.error), severity="error", markup=False)

    def on_language_changed(self, _: LanguageChanged) -> None:
        self._show_words()

    # -- what is shown -----------------------------------------------------------------------

    def _show_words(self) -> None:
        self.query_input.placeholder = tr("Search")
        self._show_mode()
        self._show_guide(answered=self._answered is not None and self._answered.final)
        self._show_trace()
        self.stages.show_again()
        self.preview.show_title()
        self.status.refresh()

    def _show_mode(self) -> None:
        """The modes are called as the commands are, in every language."""
        mode = tr("similar") if self._question.like else self._question.mode
        shown = self.query_one("#mode", Static)
        if str(shown.content) != mode:
            shown.update(mode)

    def _show_trace(self) -> None:
        if self.has_class("-explain"):
            from qmd_tui.widgets.explain import ExplainView

            reply = self._answered.reply if self._answered is not None else None
            self.query_one(ExplainView).show(self.results.hit, reply)

    def _show_guide(self, *, answered: bool = False) -> None:
        """The list where there are results, else what to do next."""
        guide, empty = self.query_one(Guide), not self.results.hits
        guide.display, self.results.display = empty, not empty
        if empty:
            guide.show(self._connection, self.index, self._question, answered)


def _classes(size: Size) -> Iterator[str]:
    """What Textual adds with the first resize."""
    for extent, breakpoints in ((size.width, _COLUMNS), (size.height, _LINES)):
        yield max((least, name) for least, name in breakpoints if least <= extent)[1]
