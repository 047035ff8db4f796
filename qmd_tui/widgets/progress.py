"""How a job goes: its bar, how fast it is, and how long it will take. Pure."""

from __future__ import annotations

from ipc.protocol import Job
from qmd_tui.language import N_, tr
from qmd_tui.widgets.units import size

_FULL, _EMPTY = "█", "░"
STATES = {
    "queued": N_("waiting"),
    "running": N_("running"),
    "done": N_("done"),
    "failed": N_("failed"),
    "cancelled": N_("cancelled"),
}


def bar(job: Job, cells: int) -> str:
    """Filled as far as the job is; empty while nobody knows how much there is."""
    ratio = min(job.done / job.total, 1.0) if job.total else float(job.state == "done")
    full = round(cells * ratio)
    return _FULL * full + _EMPTY * (cells - full)


def rate(job: Job, now: float) -> float | None:
    """Things (or bytes) a second since it started; None before there is anything to tell."""
    end = job.ended_at or now
    if not job.started_at or not job.done or end <= job.started_at:
        return None
    return job.done / (end - job.started_at)


def left_s(job: Job, now: float) -> float | None:
    """Seconds to its end, if it goes on as it did."""
    speed = rate(job, now)
    if job.state != "running" or not speed or not job.total:
        return None
    return max(job.total - job.done, 0) / speed


def speed(job: Job, now: float) -> str:
    value = rate(job, now)
    if value is None:
        return ""
    if job.unit == "bytes":
        return f"{size(value)}B/s"
    return f"{value:.0f}/s" if value >= 9.95 else f"{value:.1f}/s"


def amount(job: Job) -> str:
    if not job.total:
        return ""
    if job.unit == "bytes":
        return f"{size(job.done)}/{size(job.total)}"
    return f"{job.done:,}/{job.total:,}"


def duration(seconds: float | None) -> str:
    """Such as `42 s`, `3 min`, `2 h 5 min`."""
    if seconds is None:
        return ""
    if seconds < 99.5:
        return tr("{count} s").format(count=f"{seconds:.0f}")
    minutes = round(seconds / 60)
    if minutes < 100:
        return tr("{minutes} min").format(minutes=minutes)
    return tr("{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)
