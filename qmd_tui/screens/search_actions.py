"""What the keys of the search screen do with the hits: open, pick, copy, explain, find more like them."""

from __future__ import annotations

import os

from textual.screen import Screen
from textual.widget import Widget

from ipc.protocol import CollectionChange, Hit, IndexStatus, Update
from qmd_tui.history import History
from qmd_tui.language import N_, tr
from qmd_tui.messages import LeaveRequested, OpenRequested, Question, Wished
from qmd_tui.output import safe
from qmd_tui.settings import Settings
from qmd_tui.widgets.hit import first_match_line
from qmd_tui.widgets.preview import Preview
from qmd_tui.widgets.query_input import QueryInput
from qmd_tui.widgets.results import Results
from qmd_tui.widgets.stages import StageLine

_COPIED = {
    "path": N_("Copied the path: {text}"),
    "line": N_("Copied path:line: {text}"),
    "docid": N_("Copied the docid: {text}"),
    "passage": N_("Copied the passage: {text}"),
}
_SHOWN_CHARACTERS = 200


class SearchActions(Screen[None]):
    """Actions on what is shown; the search screen itself, which is one of these, keeps what is asked."""

    settings: Settings
    history: History
    index: IndexStatus | None

    @property
    def results(self) -> Results:
        return self.query_one(Results)

    @property
    def preview(self) -> Preview:
        return self.query_one(Preview)

    @property
    def stages(self) -> StageLine:
        return self.query_one(StageLine)

    @property
    def query_input(self) -> QueryInput:
        return self.query_one(QueryInput)

    @property
    def question(self) -> Question:
        """What is asked now."""
        raise NotImplementedError

    def find_like(self, file: str) -> None:
        """Ask for documents like this one; an empty address asks what stands in the input again."""
        raise NotImplementedError

    # -- the list ----------------------------------------------------------------------------

    def action_move(self, by: int) -> None:
        self.results.move(by)

    def action_pick(self, by: int) -> None:
        self.results.pick()
        self.show_picked()
        self.results.move(by)

    def show_picked(self) -> None:
        self.stages.show_picked(len(self.results.picked))

    def on_results_picked(self, message: Results.Picked) -> None:
        message.stop()
        self.show_picked()

    async def on_results_chosen(self, message: Results.Chosen) -> None:
        message.stop()
        await self.action_open()

    # -- what becomes of the hits --------------------------------------------------------------

    async def action_open(self) -> None:
        if self.results.hit is None:
            if self.index is not None and not self.index.collections:
                await self.app.run_action("visit('collections')")
        elif self.settings.pick:
            self.action_print()
        else:
            self._open(self.results.hit, using_pager=False)

    def action_page(self) -> None:
        if self.results.hit is not None:
            self._open(self.results.hit, using_pager=True)

    def _open(self, hit: Hit, *, using_pager: bool) -> None:
        self.remember()
        self.post_message(OpenRequested(hit, first_match_line(hit), "pager" if using_pager else "editor"))

    def action_print(self) -> None:
        if chosen := self.results.chosen:
            self.remember()
            self.post_message(LeaveRequested(chosen))

    def action_copy(self, what: str) -> None:
        """Hand what is picked, or else the selected hit, to the terminal's clipboard: it works over ssh, too."""
        if not (chosen := self.results.chosen):
            return
        self.remember()
        text = "\n".join(self._copied(hit, what) for hit in chosen)
        self.app.copy_to_clipboard(text)
        self.tell(tr(_COPIED[what]).format(text=safe.block(text[:_SHOWN_CHARACTERS])))

    def _copied(self, hit: Hit, what: str) -> str:
        match what:
            case "line":
                return f"{self.location(hit)}:{first_match_line(hit)}"
            case "docid":
                return hit.docid
            case "passage":
                return hit.snippet
        return self.location(hit)

    def location(self, hit: Hit) -> str:
        """The hit's file on this machine; its address where the collection's directory is not known yet."""
        collections = self.index.collections if self.index is not None else []
        root = next((one.path for one in collections if one.name == hit.collection), "")
        return os.path.join(root, hit.path) if root else hit.file

    def action_similar(self) -> None:
        if self.results.hit is not None:
            self.find_like(self.results.hit.file)

    def action_ignore(self) -> None:
        """Leave what is chosen out of its collection from now on; the same again takes it back."""
        for hit in self.results.chosen:
            known = self.index.collections if self.index is not None else []
            rules = next((one.ignore for one in known if one.name == hit.collection), [])
            rule = "/" + "".join(f"\\{c}" if c in "*?[]\\!# " else c for c in hit.path)
            back = rule in rules
            new = [one for one in rules if one != rule] if back else [*rules, rule]
            index = self.settings.index
            self.post_message(Wished(CollectionChange(index=index, name=hit.collection, ignore=new)))
            self.post_message(Wished(Update(index=index, collections=[hit.collection])))
            said = tr("{path} is searched again.") if back else tr("{path} is left out from now on.")
            self.tell(said.format(path=safe.line(hit.path)))
        self.results.unpick_all()
        self.show_picked()

    # -- the preview -------------------------------------------------------------------------

    def action_toggle_preview(self) -> None:
        """The opposite of what is shown. Where there is no room for both, the preview takes the list's place."""
        shown = self.preview.display
        self.set_class(not shown, "-preview")
        self.set_class(shown, "-no-preview")

    def action_toggle_rendered(self) -> None:
        self.preview.view.toggle_rendered()

    def action_scroll_preview(self, lines: int) -> None:
        self._read.scroll_relative(y=lines, animate=False)

    def action_page_preview(self, halves: int) -> None:
        view = self._read
        view.scroll_relative(y=halves * max(view.size.height // 2, 1), animate=False)

    @property
    def _read(self) -> Widget:
        """What stands beside the list: the document, or why it was found."""
        return self.query_one("#explain") if self.has_class("-explain") else self.preview.view

    def action_match(self, by: int) -> None:
        self.preview.seek(by)

    # -- queries -----------------------------------------------------------------------------

    def remember(self) -> None:
        """The query was of use: it can be recalled."""
        self.history.add(self.query_input.value)
        self.query_input.completer.before = self.history.queries

    def action_history(self, by: int) -> None:
        self._type(self.history.step(by, self.query_input.value))

    def action_recall(self) -> None:
        from qmd_tui.screens.recall import RecallScreen

        self.app.push_screen(RecallScreen(self.history), self._recalled)

    def action_save_query(self) -> None:
        if text := self.query_input.value.strip():
            kept = self.history.toggle_saved(text)
            self.tell(tr("Saved: Ctrl+R lists it.") if kept else tr("Forgotten."))

    async def action_clear_or_quit(self) -> None:
        """One step back at a time: the similar documents, what is picked, the text, the program."""
        if self.question.like:
            self.find_like("")
        elif self.results.picked:
            self.results.unpick_all()
            self.show_picked()
        elif self.query_input.value:
            if self.results.hits:
                self.remember()
            self.query_input.value = ""
        else:
            self.app.exit()

    def _recalled(self, text: str | None) -> None:
        if text:
            self._type(text)

    def _type(self, text: str) -> None:
        self.query_input.value = text
        self.query_input.cursor_position = len(text)

    def tell(self, text: str) -> None:
        self.notify(text, markup=False)
