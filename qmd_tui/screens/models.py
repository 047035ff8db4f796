"""The models: which there are, which are here, which are in memory; and what becomes of them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from ipc.protocol import (
    Catalog,
    CatalogModel,
    CatalogReply,
    JobReply,
    ModelsLoad,
    ModelStatus,
    ModelsUnload,
    ModelsUse,
    Ps,
    PsReply,
    Pull,
    Request,
)
from qmd_tui import keys
from qmd_tui.facts import Facts
from qmd_tui.language import N_, tr, trn
from qmd_tui.messages import ConnectionChanged, EngineReported, Granted, JobProgressed, Wished
from qmd_tui.screens.dialogs import ConfirmScreen, ReadScreen
from qmd_tui.screens.panel import Panel
from qmd_tui.settings import Settings
from qmd_tui.told import phrase
from qmd_tui.widgets import progress
from qmd_tui.widgets.table import Table
from qmd_tui.widgets.text import visible
from qmd_tui.widgets.units import size

_HEADS = (N_("Model"), N_("Role"), N_("In memory"), N_("On disk"), N_("Profiles"), N_("License"))
ROLES = {"embedding": N_("embedding model"), "reranker": N_("reranker"), "expansion": N_("expansion model")}
_DISK = {
    "converted": N_("ready"),
    "original": N_("fetched, converted when it is used"),
    "part": N_("fetched in part"),
    "absent": N_("not here"),
}
_MEMORY = {
    "missing": N_("not here"),
    "off": N_("not loaded"),
    "loading": N_("loading"),
    "ready": N_("loaded"),
    "failed": N_("failed"),
}


class ModelsScreen(Panel):
    HEADING = N_("Models")
    BINDINGS: ClassVar[list[BindingType]] = [*keys.SCREEN, *keys.MODELS]
    AUTO_FOCUS = "#models"

    def body(self) -> Iterable[Widget]:
        yield Static(id="profile", classes="said", markup=False)
        yield Table(id="models")
        yield Static(id="fetching", classes="said", markup=False)

    def __init__(self, facts: Facts, settings: Settings) -> None:
        super().__init__(facts, settings)
        self._catalog: CatalogReply | None = None
        self._loaded: dict[str, ModelStatus] = {}

    def on_mount(self) -> None:
        super().on_mount()
        self._look()

    def on_granted(self, message: Granted) -> None:
        match message.reply:
            case CatalogReply():
                self._catalog = message.reply
            case PsReply(models=models):
                self._loaded = {model.name: model for model in models}
                if isinstance(message.request, ModelsUse):
                    self._want(Catalog())
            case JobReply(job=job):
                self.facts.note(JobProgressed(job))
        self.show()

    def on_engine_reported(self, message: EngineReported) -> None:
        self._loaded = {model.name: model for model in message.engine.models} or self._loaded
        super().on_engine_reported(message)

    def on_connection_changed(self, message: ConnectionChanged) -> None:
        super().on_connection_changed(message)
        if message.state == "ready":
            self._look()

    def on_job_progressed(self, message: JobProgressed) -> None:
        super().on_job_progressed(message)
        if message.job.kind == "fetch" and message.job.ended_at:
            self._look()

    def show_sample(self) -> None:
        """Since when one is loaded, and when it goes, is told to the second."""
        self.show()

    def show(self) -> None:
        known = self._catalog.models if self._catalog is not None else []
        now = time.time()
        self.query_one(Table).show(_HEADS, {one.name: _row(one, self._loaded.get(one.name), now) for one in known})
        self.query_one("#profile", Static).update(Content(self._profile()))
        fetches = [job for job in self.facts.jobs.values() if job.kind == "fetch" and not job.ended_at]
        lines = []
        for job in fetches:
            parts = (progress.bar(job, 24), progress.amount(job), progress.speed(job, now), phrase(job.phase))
            lines.append("  ".join(part for part in parts if part))
            lines += [f"  {visible(file.name)} {size(file.done)}/{size(file.total)}" for file in job.files]
        self.query_one("#fetching", Static).update(Content("\n".join(lines)))

    def _profile(self) -> str:
        if self._catalog is None:
            return ""
        told = tr("Profile: {name}").format(name=visible(self._catalog.profile))
        return f"{told} · {phrase(self._catalog.reason)}" if self._catalog.reason else told

    # -- actions -----------------------------------------------------------------------------

    def action_fetch(self) -> None:
        if (one := self._model) is not None:
            self._want(Pull(names=[one.name]))

    def action_load(self) -> None:
        if (one := self._in_use()) is not None:
            self._want(ModelsLoad(roles=[one.role]))

    def action_unload(self) -> None:
        if (one := self._in_use()) is not None:
            self._want(ModelsUnload(roles=[one.role]))

    def action_switch_to(self) -> None:
        """Use it in its role from now on, once the person has seen what that costs."""
        if (one := self._model) is None:
            return
        title = tr("Use {name}?").format(name=visible(one.name))
        if one.used:
            self.app.push_screen(ReadScreen(title, [Content(tr("It is used already."))]))
        elif one.state in {"absent", "part"}:
            lines = [*self._costs(one), tr("F fetches it; then it can be used.")]
            self.app.push_screen(ReadScreen(title, [Content(text) for text in lines]))
        else:

            def use(yes: bool | None) -> None:
                if yes:
                    self._want(ModelsUse(role=one.role, name=one.name))

            self.app.push_screen(ConfirmScreen("\n".join([title, "", *self._costs(one)])), use)

    def _costs(self, one: CatalogModel) -> list[str]:
        told = []
        if one.state in {"absent", "part"}:
            told.append(tr("To fetch: {size}").format(size=size(one.download_bytes)))
        elif one.state == "original":
            told.append(tr("It is converted first, once."))
        index = self.facts.index
        if one.role == "embedding" and index is not None:
            chunks = trn("{count} chunk", "{count} chunks", index.chunks)
            told.append(tr("To embed again: {chunks}. Searches go on meanwhile.").format(chunks=chunks))
        else:
            told.append(tr("Nothing is embedded again."))
        return told

    def _in_use(self) -> CatalogModel | None:
        """The one under the cursor, if its role is its own: no other is ever in memory."""
        one = self._model
        if one is not None and not one.used:
            self.notify(tr("Only a model that is used is loaded. W uses this one."), markup=False)
            return None
        return one

    @property
    def _model(self) -> CatalogModel | None:
        known = self._catalog.models if self._catalog is not None else []
        return next((one for one in known if one.name == self.query_one(Table).selected), None)

    def _look(self) -> None:
        self._want(Catalog())
        self._want(Ps())

    def _want(self, request: Request) -> None:
        self.post_message(Wished(request))


SCREEN = ModelsScreen


def _row(one: CatalogModel, loaded: ModelStatus | None, now: float) -> list[str]:
    name = f"{'*' if one.used else ' '} {visible(one.name)}"
    disk = tr(_DISK[one.state])
    if one.size_bytes:
        disk = f"{disk}, {size(one.size_bytes)} {' '.join(one.quantizations)}".rstrip()
    elif one.state in {"absent", "part"} and one.download_bytes:
        disk = ", ".join((disk, tr("to fetch {size}").format(size=size(one.download_bytes))))
    role = tr(ROLES[one.role])
    return [name, role, _memory(loaded, now), disk, " ".join(one.profiles), visible(one.license)]


def _memory(loaded: ModelStatus | None, now: float) -> str:
    """Such as `loaded 3 min ago, 90M, cuda, float16, unloads in 4 min`."""
    if loaded is None:
        return ""
    parts = [tr(_MEMORY[loaded.state])]
    if loaded.state == "ready":
        if loaded.loaded_at:
            time_ = progress.duration(max(now - loaded.loaded_at, 0.0))
            parts = [tr("loaded {time} ago").format(time=time_)]
        parts += [size(loaded.size_bytes) if loaded.size_bytes else "", loaded.device, loaded.compute_type]
        if loaded.until is None:
            parts.append(tr("stays"))
        elif loaded.until > now:
            parts.append(tr("unloads in {time}").format(time=progress.duration(loaded.until - now)))
    elif loaded.reason:
        parts.append(phrase(loaded.reason))
    return ", ".join(part for part in parts if part)
