"""The GPU meter of the status bar: what the card does, or, without one, what the worker does on the CPU."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ipc.protocol import Card, GpuSample
from qmd_tui.language import tr
from qmd_tui.told import phrase
from qmd_tui.widgets.text import visible
from qmd_tui.widgets.units import percent, size, sparkline

# A reading a second; a screen of its own plots the two minutes.
HISTORY = 120
_SPARK_CELLS = 8
_MAKERS = ("NVIDIA ", "GeForce ", "Tesla ", "Quadro ")


class History:
    """The last readings: of the card's utilisation, or of the worker's share of a core."""

    def __init__(self) -> None:
        self.latest: GpuSample | None = None
        self.ratios: deque[float] = deque(maxlen=HISTORY)
        self.samples: deque[GpuSample] = deque(maxlen=HISTORY)

    def copy(self) -> History:
        other = History()
        other.latest = self.latest
        other.ratios.extend(self.ratios)
        other.samples.extend(self.samples)
        return other

    def add(self, sample: GpuSample) -> None:
        self.latest = sample
        self.samples.append(sample)
        card = ours(sample)
        ratio = sample.worker_cpu if card is None else card.utilization_ratio
        self.ratios.append(ratio or 0.0)


def ours(sample: GpuSample) -> Card | None:
    """The card that our worker uses most memory of; the first one while it uses none."""
    return max(sample.cards, key=lambda card: card.memory_ours_bytes or 0, default=None)


def forms(history: History) -> list[str]:
    """What the meter says, from the longest to the shortest; the bar takes the first that fits."""
    sample = history.latest
    if sample is None:
        return [""]
    card = ours(sample)
    spark = sparkline(list(history.ratios)[-_SPARK_CELLS:])
    return _worker_forms(sample, spark) if card is None else _card_forms(card, len(sample.cards), spark)


def _card_forms(card: Card, cards: int, spark: str) -> list[str]:
    """A sensor that the card does not have is left out, and nothing else with it."""
    name = visible(card.name)
    short = name
    for maker in _MAKERS:
        short = short.removeprefix(maker)
    more = f"+{cards - 1}" if cards > 1 else ""
    busy = "" if card.utilization_ratio is None else percent(card.utilization_ratio)
    memory = _memory(card)
    own = ""
    if card.memory_ours_bytes is not None:
        own = tr("(ours {size})").format(size=size(card.memory_ours_bytes))
    heat = "" if card.temperature_c is None else f"{card.temperature_c:.0f}°C"
    power = "" if card.power_w is None else f"{card.power_w:.0f}W"
    return [
        _join(name, more, spark, busy, memory, own, heat, power),
        _join(short, more, spark, busy, memory, own, heat, power),
        _join("GPU", more, spark, busy, memory, own, heat, power),
        _join("GPU", spark, busy, memory, heat),
        _join("GPU", busy, memory),
        _join("GPU", busy),
    ]


def _worker_forms(sample: GpuSample, spark: str) -> list[str]:
    reason = phrase(sample.reason) or tr("none found")
    none = tr("no GPU")
    if not sample.worker_pid:
        off = tr("worker off")
        return [f"{none}: {reason} · {off}", f"{none} · {off}", "CPU"]
    busy = "" if sample.worker_cpu is None else percent(sample.worker_cpu)
    memory = "" if sample.worker_memory_bytes is None else size(sample.worker_memory_bytes)
    worker = tr("worker")
    return [
        _join(f"{none}: {reason} · {worker}", spark, busy, "CPU", memory),
        _join(f"{none} · {worker}", spark, busy, "CPU", memory),
        _join(f"{none} ·", busy, memory),
        _join("CPU", busy),
    ]


def _memory(card: Card) -> str:
    used, total = card.memory_used_bytes, card.memory_total_bytes
    if used is None:
        return "" if total is None else size(total)
    return size(used) if total is None else f"{size(used)}/{size(total)}"


def _join(*parts: str) -> str:
    return " ".join(_filled(parts))


def _filled(parts: Iterable[str]) -> list[str]:
    return [part for part in parts if part]
