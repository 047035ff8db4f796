"""The readings of the meter as lines with plots: each card, or else the processor and the memory. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.content import Content

from ipc.protocol import Card, GpuSample
from qmd_tui.language import tr
from qmd_tui.told import phrase
from qmd_tui.widgets.plot import cells_of, plot, plotted
from qmd_tui.widgets.text import visible
from qmd_tui.widgets.units import percent, size
from qmd_tui.widgets.workload import workload


def readings(samples: Sequence[GpuSample], width: int, height: int) -> list[Content]:
    """All that there is to tell, for so many cells; a sensor that does not tell is left out alone."""
    if not samples:
        return [Content(tr("No reading yet."))]
    latest = samples[-1]
    plot_height = 3 if height >= 24 else 2 if height >= 16 else 1
    lines: list[Content] = []
    for place in range(len(latest.cards)):
        lines += _card(samples, place, width, plot_height)
    if not latest.cards:
        reason = phrase(latest.reason)
        told = tr("no GPU")
        lines.append(Content.styled(f"{told}: {reason}" if reason else told, "bold"))
    lines += _machine(samples, width, plot_height)
    lines += workload(samples, width, plot_height)
    return lines


def _card(samples: Sequence[GpuSample], place: int, width: int, height: int) -> list[Content]:
    latest = samples[-1]
    card = latest.cards[place]
    lines = [Content.styled(f"{card.index}: {visible(card.name)}", "bold")]
    cells = cells_of(width)

    def history(read: Callable[[Card], float | None]) -> list[float | None]:
        return [read(one.cards[place]) if place < len(one.cards) else None for one in samples]

    if card.utilization_ratio is not None:
        told = percent(card.utilization_ratio)
        lines += plotted(tr("utilisation"), told, plot(history(lambda one: one.utilization_ratio), cells, height))
    total = card.memory_total_bytes
    if card.memory_used_bytes is not None:
        used = history(lambda one: one.memory_used_bytes)
        told = _memory(card, latest.ceiling_bytes)
        lines += plotted(tr("memory"), told, plot(used, cells, height, float(total or card.memory_used_bytes or 1)))
    for name, value, unit, values in (
        (tr("temperature"), card.temperature_c, "°C", history(lambda one: one.temperature_c)),
        (tr("power"), card.power_w, " W", history(lambda one: one.power_w)),
        (tr("clock"), card.clock_mhz, " MHz", history(lambda one: one.clock_mhz)),
    ):
        if value is not None:
            most = max((one for one in values if one is not None), default=1.0) or 1.0
            lines += plotted(name, f"{value:.0f}{unit}", plot(values, cells, 1, most))
    return [*lines, Content("")]


def _memory(card: Card, ceiling: int) -> str:
    """Ours, others' and free; and what ours may be."""
    used, ours, total = card.memory_used_bytes or 0, card.memory_ours_bytes, card.memory_total_bytes
    parts = []
    if ours is not None:
        parts.append(_at_most(tr("ours {size}").format(size=size(ours)), ceiling))
        parts.append(tr("others {size}").format(size=size(max(used - ours, 0))))
    else:
        parts.append(tr("used {size}").format(size=size(used)))
    if total is not None:
        parts.append(tr("free {size}").format(size=size(max(total - used, 0))))
    return " · ".join(parts)


def _at_most(told: str, ceiling: int) -> str:
    return tr("{what} of at most {size}").format(what=told, size=size(ceiling)) if ceiling else told


def _machine(samples: Sequence[GpuSample], width: int, height: int) -> list[Content]:
    """The processor and the memory, of the worker and of everything."""
    latest = samples[-1]
    cells = cells_of(width)
    lines: list[Content] = []
    if latest.machine_cpu_ratio is not None:
        told = percent(latest.machine_cpu_ratio)
        if latest.worker_cpu is not None:
            told = " · ".join((told, tr("worker {count} cores").format(count=f"{latest.worker_cpu:.1f}")))
        lines += plotted("CPU", told, plot([one.machine_cpu_ratio for one in samples], cells, height))
    total = latest.machine_memory_total_bytes
    if total and latest.machine_memory_used_bytes is not None:
        used = latest.machine_memory_used_bytes
        own = latest.worker_memory_bytes
        parts = []
        if own is not None:
            parts.append(
                _at_most(tr("worker {size}").format(size=size(own)), 0 if latest.cards else latest.ceiling_bytes)
            )
        parts += [tr("used {size}").format(size=size(used)), tr("free {size}").format(size=size(total - used))]
        values = [one.machine_memory_used_bytes for one in samples]
        lines += plotted(tr("memory"), " · ".join(parts), plot(values, cells, height, float(total)))
    return [*lines, Content("")] if lines else []
