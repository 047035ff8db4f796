"""The collections, what becomes of them, and the jobs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from ipc.protocol import (
    CollectionAdd,
    CollectionChange,
    CollectionInfo,
    CollectionRemove,
    CollectionRename,
    ContextAdd,
    ContextRemove,
    EmbedIndex,
    Job,
    JobCancel,
    JobList,
    JobReply,
    JobsReply,
    Pull,
    Request,
    Update,
)
from qmd_tui import keys
from qmd_tui.language import N_, tr, trn
from qmd_tui.messages import Granted, JobProgressed, Refused, Wished
from qmd_tui.screens.dialogs import ConfirmScreen, Field, FormScreen, ReadScreen
from qmd_tui.screens.panel import Panel
from qmd_tui.told import error_text, failure, phrase
from qmd_tui.widgets import progress
from qmd_tui.widgets.directories import Directories
from qmd_tui.widgets.status import COUNTS, JOBS
from qmd_tui.widgets.table import Table
from qmd_tui.widgets.text import shorten, shorten_left, visible

_BAR_CELLS = 16
_PATH_CELLS, _LEAST_PATH_CELLS = 40, 12
_ROOMY_COLUMNS = 80
_COLLECTIONS = (N_("Collection"), N_("Documents"), N_("Searched"), N_("Directory"), N_("Files"), N_("What it is"))
_JOBS = (N_("Job"), N_("State"), N_("Progress"), N_("Done"), N_("Rate"), N_("Left"), N_("Now"))


class CollectionsScreen(Panel):
    HEADING = N_("Collections and jobs")
    BINDINGS: ClassVar[list[BindingType]] = [*keys.SCREEN, *keys.COLLECTIONS]
    AUTO_FOCUS = "#collections"

    def body(self) -> Iterable[Widget]:
        yield Table(id="collections")
        yield Static(id="hint", classes="said", markup=False)
        yield Table(id="jobs")

    def on_mount(self) -> None:
        super().on_mount()
        self._want(JobList())
        if self.facts.index is not None and not self.facts.index.collections:
            self.action_add()

    def on_resize(self) -> None:
        self.show()

    def show(self) -> None:
        index = self.facts.index
        hint = tr("No collection yet: a adds a directory.") if index and not index.collections else ""
        self.query_one("#hint", Static).update(Content(hint))
        path_cells = max(min(self.size.width // 3, _PATH_CELLS), _LEAST_PATH_CELLS)
        bar_cells = _BAR_CELLS if self.size.width >= _ROOMY_COLUMNS else _BAR_CELLS // 4
        rows = {one.name: _row(one, path_cells) for one in self._collections()}
        self._table("collections").show(_COLLECTIONS, rows)
        newest = sorted(self.facts.jobs.values(), key=lambda job: -job.created_at)
        now = time.time()
        self._table("jobs").show(_JOBS, {job.id: _job_row(job, now, bar_cells, path_cells) for job in newest})

    def on_granted(self, message: Granted) -> None:
        match message.reply:
            case JobsReply(jobs=jobs):
                for job in jobs:
                    self.facts.note(JobProgressed(job))
            case JobReply(job=job) if job.id not in self.facts.jobs:  # its events may have come before
                self.facts.note(JobProgressed(job))
        self.show()

    def on_refused(self, message: Refused) -> None:
        """What was typed is not lost: the form comes back with what was wrong."""
        if isinstance(message.request, CollectionAdd):
            asked = message.request
            self._ask_for_directory(asked.path, asked.name, asked.mask, said=error_text(message.error))
        else:
            super().on_refused(message)

    # -- collections -------------------------------------------------------------------------

    def action_add(self) -> None:
        self._ask_for_directory("~/", "", "")

    def _ask_for_directory(self, path: str, name: str, mask: str, *, said: str = "") -> None:
        fields = [
            Field(tr("Directory (the right arrow completes it)"), path, "", Directories()),
            Field(tr("Name"), name, tr("the directory's own")),
            Field(tr("Which files"), mask, "**/*.{md,txt}"),
        ]

        def add(told: list[str] | None) -> None:
            if told and told[0]:
                where = os.path.abspath(os.path.expanduser(told[0]))
                self._want(CollectionAdd(index=self._index, path=where, name=told[1], mask=told[2]))

        self.app.push_screen(FormScreen(tr("Add a directory"), fields, said=said), add)

    def action_remove(self) -> None:
        if (one := self._collection) is None:
            return

        def remove(yes: bool | None) -> None:
            if yes:
                self._want(CollectionRemove(index=self._index, name=one.name))

        question = tr("Forget the collection {name} and what was indexed of it? Its files are not touched.")
        self.app.push_screen(ConfirmScreen(question.format(name=visible(one.name))), remove)

    def action_rename(self) -> None:
        if (one := self._collection) is None:
            return

        def rename(told: list[str] | None) -> None:
            if told and told[0] and told[0] != one.name:
                self._want(CollectionRename(index=self._index, name=one.name, new_name=told[0]))

        self.app.push_screen(FormScreen(tr("Rename the collection"), [Field(tr("Name"), one.name)]), rename)

    def action_context(self) -> None:
        """A place in the collection, and a sentence that is returned with what is found there."""
        if (one := self._collection) is None:
            return

        def say(told: list[str] | None) -> None:
            if told is None:
                return
            place = f"qmd://{one.name}/{told[0].strip('/')}".rstrip("/")
            if told[1]:
                self._want(ContextAdd(index=self._index, place=place, text=told[1]))
            else:
                self._want(ContextRemove(index=self._index, place=place))

        known = "\n".join(f"/{visible(prefix)}: {visible(text)}" for prefix, text in one.contexts.items())
        fields = [
            Field(tr("Path in it (empty: all of it)"), "", ""),
            Field(tr("What lies there (empty: nothing is said any more)"), one.contexts.get("", "")),
        ]
        self.app.push_screen(FormScreen(tr("Say what lies in it"), fields, said=known), say)

    def action_include(self) -> None:
        if (one := self._collection) is not None:
            self._want(CollectionChange(index=self._index, name=one.name, included=not one.included))

    def action_ignore(self) -> None:
        if (one := self._collection) is None:
            return

        def change(told: list[str] | None) -> None:
            if told is not None:
                rules = told[0].split()
                self._want(CollectionChange(index=self._index, name=one.name, ignore=rules))
                self._want(Update(index=self._index, collections=[one.name]))

        fields = [Field(tr("Patterns as in .gitignore, with spaces between them"), " ".join(one.ignore))]
        self.app.push_screen(FormScreen(tr("Which of its files are left out"), fields), change)

    def action_update(self) -> None:
        self._want(Update(index=self._index))

    def action_embed(self) -> None:
        self._want(EmbedIndex(index=self._index))

    # -- jobs --------------------------------------------------------------------------------

    def action_cancel(self) -> None:
        if (job := self._job) is not None and job.state in {"queued", "running"}:
            self._want(JobCancel(job=job.id))

    def action_resume(self) -> None:
        """A job loses nothing of what it has done, so the same one again goes on from there."""
        if (job := self._job) is None or job.state in {"queued", "running"}:
            return
        if job.kind == "fetch":
            self._want(Pull())
        elif job.kind == "embed":
            self._want(EmbedIndex(index=job.index, collections=job.collections))
        else:
            self._want(Update(index=job.index, collections=job.collections))
            if job.kind == "add":
                self._want(EmbedIndex(index=job.index, collections=job.collections))

    def action_details(self) -> None:
        if (job := self._job) is None:
            return
        told = [f"{count:,} {tr(COUNTS.get(what, what))}" for what, count in job.counts.items()]
        lines = [Content(", ".join(told))] if told else []
        if job.error is not None:
            lines.append(Content.styled(visible(failure(job.error)), "$error"))
        lines += [Content.assemble(visible(one.path), (f"  {phrase(one.reason)}", "$warning")) for one in job.skipped]
        if (more := job.counts.get("skipped", 0) - len(job.skipped)) > 0:
            lines.append(Content(trn("and {count} more", "and {count} more", more)))
        self.app.push_screen(ReadScreen(tr(JOBS[job.kind]), lines or [Content(tr("Nothing was skipped."))]))

    def action_switch(self) -> None:
        other = "collections" if self._table("jobs").has_focus else "jobs"
        self._table(other).focus()

    # -- what is meant -----------------------------------------------------------------------

    @property
    def _index(self) -> str:
        return self.settings.index

    def _collections(self) -> list[CollectionInfo]:
        return self.facts.index.collections if self.facts.index is not None else []

    @property
    def _collection(self) -> CollectionInfo | None:
        key = self._table("collections").selected
        return next((one for one in self._collections() if one.name == key), None)

    @property
    def _job(self) -> Job | None:
        """The one under the cursor, while that is among the jobs."""
        jobs = self._table("jobs")
        return self.facts.jobs.get(jobs.selected) if jobs.has_focus else None

    def _table(self, name: str) -> Table:
        return self.query_one(f"#{name}", Table)

    def _want(self, request: Request) -> None:
        self.post_message(Wished(request))


SCREEN = CollectionsScreen


def _row(one: CollectionInfo, path_cells: int) -> list[str]:
    searched = tr("always") if one.included else tr("when named")
    files = visible(one.pattern) + "".join(f" !{visible(rule)}" for rule in one.ignore)
    said = visible(one.contexts.get("", "") or next(iter(one.contexts.values()), ""))
    path = shorten_left(visible(one.path), path_cells)
    return [visible(one.name), f"{one.documents:,}", searched, path, shorten(files, path_cells), said]


def _job_row(job: Job, now: float, bar_cells: int, path_cells: int) -> list[str]:
    name = f"{tr(JOBS[job.kind])} {visible(', '.join(job.collections))}".strip()
    at = visible(job.current or job.phase) if job.state == "running" else ""
    if job.error is not None:
        at = visible(failure(job.error))
    bar = progress.bar(job, bar_cells)
    left = progress.duration(progress.left_s(job, now))
    state = tr(progress.STATES[job.state])
    return [name, state, bar, progress.amount(job), progress.speed(job, now), left, shorten_left(at, path_cells)]
