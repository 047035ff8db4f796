"""What the daemon does at this moment, as one screen of text. Takes dicts in the shapes of `ipc.protocol`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from qmd_tui.output import models, safe
from qmd_tui.output.status import duration, size
from qmd_tui.output.style import Style

_LABEL = 10
_CLASSES = ("interactive", "agent", "bulk")
# Those that run come first, then those that wait; of the others the newest.
_ORDER = {"running": 0, "queued": 1}
_COLOR = re.compile(r"\x1b\[[0-9;]*m")


class Rates(NamedTuple):
    """What happens in a second, between two readings of the meter."""

    requests: dict[str, float]
    batches: float = 0.0
    pieces: float = 0.0
    tokens: float = 0.0


class Now(NamedTuple):
    """`daemon` is a StatusReply, whose uptime grows; `engine`, `jobs` and `sample` are the newest that are known.

    `rates` is None until there are two readings.
    """

    daemon: Mapping[str, Any]
    engine: Mapping[str, Any]
    jobs: Sequence[Mapping[str, Any]]
    sample: Mapping[str, Any] | None
    rates: Rates | None
    at: float

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        whole = self._asdict()
        whole["daemon"] = {name: self.daemon[name] for name in ("version", "pid", "uptime_s", "http")}
        return whole | {"rates": self.rates._asdict() if self.rates else None}


def rates(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Rates | None:
    """Of two GpuSamples. None where they are not two, or the counters have begun again."""
    seconds = after["at"] - before["at"] if before else 0.0
    if before is None or seconds <= 0 or after["tokens"] < before["tokens"]:
        return None
    answered = {
        name: max(0, count - before["answered"].get(name, 0)) / seconds for name, count in after["answered"].items()
    }
    computed = ((after[name] - before[name]) / seconds for name in ("batches", "pieces", "tokens"))
    return Rates(answered, *computed)


def lines(now: Now, style: Style, rows: int) -> list[str]:
    """At most so many lines; whoever shows them cuts them to the width. Jobs that do not fit are counted."""
    shown = [style.bold(_title(now)), *_load(now, style), *_machine(now, style), ""]
    shown += models.text({"models": now.engine["models"], "pid": 0}, style, now.at).splitlines()
    room = rows - len(shown) - 2
    jobs = sorted(now.jobs, key=lambda job: (_ORDER.get(job["state"], 2), -job["created_at"]))
    if jobs and room > 0:
        shown += ["", style.bold(_row(("JOB", "KIND", "INDEX", "STATE", "DONE", "PHASE")))]
        fits = jobs if len(jobs) <= room else jobs[: room - 1]
        shown += [_job(job, style) for job in fits]
        if len(fits) < len(jobs):
            shown.append(style.dim(f"and {len(jobs) - len(fits)} more"))
    return shown[:rows]


def plain(line: str) -> str:
    """The line without its colours."""
    return _COLOR.sub("", line)


def _title(now: Now) -> str:
    daemon = now.daemon
    where = daemon["http"] or "no HTTP"
    return safe.line(
        f"qmd {daemon['version']}, pid {daemon['pid']}, up {duration(daemon['uptime_s'])}, {where}, "
        f"worker {now.engine['state'].replace('_', ' ')}"
    )


def _load(now: Now, style: Style) -> Iterator[str]:
    sample = now.sample or {"requests": {}, "queued": now.engine["queued"]}
    under_way = ", ".join(f"{name} {sample['requests'].get(name, 0)}" for name in _CLASSES)
    answered = f"; {sum(now.rates.requests.values()):.1f}/s answered" if now.rates else ""
    yield _labelled("Clients", f"{under_way} under way{answered}", style)
    queue = f"{sample['queued']:,} texts wait"
    if now.rates and now.rates.batches:
        each = now.rates.pieces / now.rates.batches
        queue += f"; {now.rates.tokens:,.0f} tokens/s in batches of {each:.1f}"
    yield _labelled("Queue", queue, style)


def _machine(now: Now, style: Style) -> Iterator[str]:
    sample = now.sample
    if sample is None:
        return
    parts = []
    if sample["machine_cpu_ratio"] is not None:
        parts.append(f"machine {sample['machine_cpu_ratio']:.0%}")
    if sample["worker_cpu"] is not None:
        parts.append(f"worker {sample['worker_cpu']:.1f} cores")
    if sample["machine_memory_total_bytes"]:
        parts.append(f"{_of(sample['machine_memory_used_bytes'], sample['machine_memory_total_bytes'])} memory")
    if sample["worker_memory_bytes"] is not None:
        parts.append(f"worker {size(sample['worker_memory_bytes'])}")
    yield _labelled("CPU", ", ".join(parts) or "-", style)
    if not sample["cards"]:
        yield _labelled("GPU", safe.line(sample["reason"] or "none"), style)
    for card in sample["cards"]:
        yield _labelled(f"GPU {card['index']}", safe.line(", ".join(_card(card))), style)


def _card(card: Mapping[str, Any]) -> Iterator[str]:
    """A sensor that a card has not is left out."""
    yield card["name"]
    if card["utilization_ratio"] is not None:
        yield f"{card['utilization_ratio']:.0%}"
    if card["memory_used_bytes"] is not None and card["memory_total_bytes"]:
        yield _of(card["memory_used_bytes"], card["memory_total_bytes"])
    if card["memory_ours_bytes"] is not None:
        yield f"ours {size(card['memory_ours_bytes'])}"
    if card["temperature_c"] is not None:
        yield f"{card['temperature_c']:.0f} °C"
    if card["power_w"] is not None:
        yield f"{card['power_w']:.0f} W"


def _job(job: Mapping[str, Any], style: Style) -> str:
    done = f"{job['done']:,}/{job['total']:,}" if job["total"] else f"{job['done']:,}"
    index = job["index"] if not job["index"].startswith("/") else "project"
    row = _row((job["id"], job["kind"], index, job["state"], done, " ".join((job["phase"], job["current"]))))
    if job["state"] == "failed":
        return style.bad(row)
    return row if job["state"] in _ORDER else style.dim(row)


def _row(cells: Sequence[str]) -> str:
    *fixed, last = map(safe.line, cells)
    widths = (8, 7, 10, 9, 13)
    return "  ".join(f"{cell[:width]:<{width}}" for cell, width in zip(fixed, widths, strict=True)) + f"  {last}"


def _of(used: float, total: float) -> str:
    return f"{size(used)} of {size(total)}"


def _labelled(label: str, content: str, style: Style) -> str:
    return f"{style.bold(f'{label:<{_LABEL}}')}{content}"
