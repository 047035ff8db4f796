"""What the model worker has to do, how fast it does it, and who asks: lines with plots. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from textual.content import Content

from ipc.protocol import GpuSample
from qmd_tui.language import N_, tr
from qmd_tui.widgets.plot import cells_of, line, plot, plotted

_CLASSES = {"interactive": N_("people"), "agent": N_("agents"), "bulk": N_("nobody waiting")}


class _Measure(NamedTuple):
    """What is told of something now, and its history."""

    name: str
    told: str
    values: Sequence[float | None]


def workload(samples: Sequence[GpuSample], width: int, height: int) -> list[Content]:
    """The worker, its queue, its pace, and the requests of each class of clients that has any. At least one sample."""
    latest, cells = samples[-1], cells_of(width)
    lines = [line(tr("worker"), str(latest.worker_pid) if latest.worker_pid else tr("off"))]
    queue = _Measure(tr("texts waiting"), f"{latest.queued:,}", [one.queued for one in samples])
    for name, told, values in (queue, *_pace(samples), *_requests(samples)):
        lines += plotted(name, told, plot(values, cells, height if name == queue.name else 1, _top(values)))
    return lines


def rates(samples: Sequence[GpuSample], count: Callable[[GpuSample], int]) -> list[float | None]:
    """How fast something grew from each reading to the next; unknown where a daemon has begun to count anew."""
    return [
        (count(after) - count(before)) / (after.at - before.at)
        if after.at > before.at and count(after) >= count(before)
        else None
        for before, after in pairwise(samples)
    ]


def _pace(samples: Sequence[GpuSample]) -> list[_Measure]:
    """Tokens a second, and how many texts are computed together; nothing where nothing was computed."""
    tokens = rates(samples, lambda one: one.tokens)
    if not any(tokens):
        return []
    batches = [
        (after.pieces - before.pieces) / count if (count := after.batches - before.batches) > 0 else None
        for before, after in pairwise(samples)
    ]
    last = next((value for value in reversed(batches) if value is not None), None)
    return [
        _Measure(tr("tokens/s"), _number(tokens[-1]), tokens),
        _Measure(tr("texts per batch"), _number(last), batches),
    ]


def _requests(samples: Sequence[GpuSample]) -> list[_Measure]:
    found = []
    for client, name in _CLASSES.items():
        values = rates(samples, _answered(client))
        now = samples[-1].requests.get(client, 0)
        if now or any(values):
            speed = _number(values[-1] if values else None)
            told = tr("{speed} requests/s, {count} under way").format(speed=speed, count=now)
            found.append(_Measure(tr(name), told, values))
    return found


def _answered(client: str) -> Callable[[GpuSample], int]:
    return lambda sample: sample.answered.get(client, 0)


def _top(values: Iterable[float | None]) -> float:
    """What fills a plot: the most there was."""
    return max((value for value in values if value is not None), default=0.0) or 1.0


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1f}" if 0 < value < 9.95 else f"{value:,.0f}"
