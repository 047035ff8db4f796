"""The status bar: the daemon on the left, the meter on the right, each as long as there is room for."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

from ipc.protocol import EngineStatus, GpuSample, IndexStatus, Job
from qmd_tui.facts import Facts
from qmd_tui.language import N_, tr, trn
from qmd_tui.messages import ConnectionChanged
from qmd_tui.told import failure, phrase
from qmd_tui.widgets import meter
from qmd_tui.widgets.text import shorten, visible
from qmd_tui.widgets.units import percent, size

# How long the end of a job is told before the size of the index takes its place again.
_TELL_S = 6.0
_GAP = 2
_READY = N_("ready")
_ENGINES = {"starting": N_("loading the model"), "failed": N_("worker failed"), "no_model": N_("no model")}
JOBS = {
    "update": N_("indexing"),
    "embed": N_("embedding"),
    "add": N_("indexing"),
    "cleanup": N_("cleaning up"),
    "fetch": N_("fetching models"),
}
# What a job counts (ipc.protocol.Job).
COUNTS = {
    "new": N_("new"),
    "updated": N_("updated"),
    "unchanged": N_("unchanged"),
    "removed": N_("removed"),
    "skipped": N_("skipped"),
    "documents": N_("documents"),
    "chunks": N_("chunks"),
    "removed_documents": N_("documents removed"),
    "removed_contents": N_("texts removed"),
    "removed_chunks": N_("chunks removed"),
    "freed_bytes": N_("bytes freed"),
    "fetched": N_("fetched"),
    "present": N_("there already"),
}
_DOTS = {"connecting": ("◌", "$warning"), "ready": ("●", "$success"), "lost": ("○", "$error")}


class StatusBar(Widget, can_focus=False):
    """One line. Told what has changed; draws what is so."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name for it
        super().__init__(id=id)
        self.connection = ConnectionChanged("connecting")
        self.engine: EngineStatus | None = None
        self.index: IndexStatus | None = None
        self.job: Job | None = None
        self.history = meter.History()

    def take(self, facts: Facts) -> None:
        """What is known by now, for a bar of a screen that has just opened."""
        self.connection, self.engine, self.index, self.history = (
            facts.connection,
            facts.engine,
            facts.index,
            facts.meter.copy(),
        )
        self.job = next((job for job in facts.jobs.values() if job.state == "running"), None)
        self.refresh()

    def show_connection(self, connection: ConnectionChanged) -> None:
        self.connection = connection
        if connection.state != "ready":
            self.job = None
        self.refresh()

    def show_index(self, index: IndexStatus) -> None:
        self.index = index
        self.refresh()

    def show_engine(self, engine: EngineStatus) -> None:
        self.engine = engine
        self.refresh()

    def show_job(self, job: Job) -> None:
        self.job = job
        self.refresh()
        if job.state not in {"queued", "running"}:
            self.set_timer(_TELL_S, lambda: self._forget(job.id))

    def show_sample(self, sample: GpuSample) -> None:
        self.history.add(sample)
        self.refresh()

    def render(self) -> Content:
        width = self.content_size.width
        dot, color = _DOTS[self.connection.state]
        left, right = fit(self._left(), meter.forms(self.history), width - 2)
        gap = " " * max(width - 2 - cell_len(left) - cell_len(right), 0)
        return Content.assemble((dot, color), f" {left}{gap}", (right, "$secondary"))

    def _left(self) -> list[str]:
        """The daemon and the index, from the longest form to the shortest."""
        state = connection_text(self.connection, self.engine)
        if self.connection.state != "ready":
            return [state]
        if self.engine is not None and self.engine.fallback:
            return fallback_forms(state, self.engine)
        if self.job is not None:
            return [f"{state} · {text}" for text in job_forms(self.job)]
        if self.index is None:
            return [state]
        return [f"{state} · {text}" for text in index_forms(self.index)] + [state]

    def _forget(self, job_id: str) -> None:
        if self.job is not None and self.job.id == job_id:
            self.job = None
            self.refresh()


def fit(left: list[str], right: list[str], width: int) -> tuple[str, str]:
    """The longest forms of both that fit beside each other; the left one comes first when there is little room."""
    for some in left:
        for other in right:
            gap = _GAP if other else 0
            if cell_len(some) + gap + cell_len(other) <= width:
                return some, other
    return shorten(left[-1], width), ""


def connection_text(connection: ConnectionChanged, engine: EngineStatus | None) -> str:
    if connection.state == "connecting":
        if connection.text:
            return tr("waiting for {what}").format(what=phrase(connection.text))
        return tr("connecting")
    if connection.state == "lost":
        return tr("daemon lost, next try in {seconds} s").format(seconds=f"{connection.retry_s:.0f}")
    return tr(_ENGINES.get(engine.state, _READY)) if engine is not None else tr(_READY)


def fallback_forms(state: str, engine: EngineStatus) -> list[str]:
    """That it is slower than was wanted, and why, is said before anything else."""
    where = tr("{state} on {device}").format(state=state, device=visible(engine.device))
    return [f"{where}: {phrase(engine.reason)}", where]


def index_forms(index: IndexStatus) -> list[str]:
    documents = trn("{count} document", "{count} documents", index.documents)
    pending = trn("{count} to embed", "{count} to embed", index.pending) if index.pending else ""
    full = " · ".join(part for part in (documents, size(index.size_bytes), pending) if part)
    return [full, documents, f"{index.documents:,}"]


def job_forms(job: Job) -> list[str]:
    """How far a job is, or how it ended."""
    name = tr(JOBS[job.kind])
    if job.state == "failed":
        reason = visible(failure(job.error)) if job.error else ""
        failed = tr("{job} failed").format(job=name)
        return [f"{failed}: {reason}", failed]
    if job.state == "cancelled":
        return [tr("{job} cancelled").format(job=name)]
    if job.state == "done":
        done = tr("{job} done").format(job=name)
        counts = ", ".join(f"{count:,} {tr(COUNTS.get(what, what))}" for what, count in job.counts.items() if count)
        return [f"{done}: {counts}" if counts else done, done]
    at = phrase(job.phase) or name
    if not job.total:
        return [at]
    count = f"{job.done:,}/{job.total:,}" if job.unit != "bytes" else f"{size(job.done)}/{size(job.total)}"
    return [f"{at} {count} {visible(job.current)}".rstrip(), f"{at} {count}", percent(job.done / job.total)]
