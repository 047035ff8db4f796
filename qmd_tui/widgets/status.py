"""The status bar: the daemon on the left, the meter on the right, each as long as there is room for."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

from ipc.protocol import EngineStatus, GpuSample, IndexStatus, Job
from qmd_tui.messages import ConnectionChanged
from qmd_tui.widgets import meter
from qmd_tui.widgets.text import shorten, visible
from qmd_tui.widgets.units import percent, size

# How long the end of a job is told before the size of the index takes its place again.
_TELL_S = 6.0
_GAP = 2
_JOBS = {
    "update": "indexing",
    "add": "indexing",
    "embed": "embedding",
    "cleanup": "cleaning up",
    "fetch": "fetching models",
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
        return f"waiting for {visible(connection.text)}" if connection.text else "connecting"
    if connection.state == "lost":
        return f"daemon lost, next try in {connection.retry_s:.0f} s"
    texts = {"starting": "loading the model", "failed": "worker failed", "no_model": "no model"}
    return texts.get(engine.state, "ready") if engine is not None else "ready"


def fallback_forms(state: str, engine: EngineStatus) -> list[str]:
    """That it is slower than was wanted, and why, is said before anything else."""
    where = f"{state} on {visible(engine.device)}"
    return [f"{where}: {visible(engine.reason)}", where]


def index_forms(index: IndexStatus) -> list[str]:
    documents = f"{index.documents:,} document{'' if index.documents == 1 else 's'}"
    pending = f"{index.pending:,} to embed" if index.pending else ""
    full = " · ".join(part for part in (documents, size(index.size_bytes), pending) if part)
    return [full, documents, f"{index.documents:,}"]


def job_forms(job: Job) -> list[str]:
    """How far a job is, or how it ended."""
    name = _JOBS[job.kind]
    if job.state == "failed":
        return [f"{name} failed: {visible(job.error.message if job.error else '')}", f"{name} failed"]
    if job.state == "cancelled":
        return [f"{name} cancelled"]
    if job.state == "done":
        counts = ", ".join(f"{count:,} {what}" for what, count in job.counts.items() if count)
        return [f"{name} done: {counts}" if counts else f"{name} done", f"{name} done"]
    phase = visible(job.phase) or name
    if not job.total:
        return [phase]
    in_bytes = job.unit == "bytes"
    count = f"{size(job.done)}/{size(job.total)}" if in_bytes else f"{job.done:,}/{job.total:,}"
    return [f"{phase} {count} {visible(job.current)}".rstrip(), f"{phase} {count}", percent(job.done / job.total)]
