"""The models and where they are, as a table. Takes a dict in the shape of `ipc.protocol.PsReply`."""

from __future__ import annotations

from typing import Any

from qmd_tui.output import safe
from qmd_tui.output.status import duration, size
from qmd_tui.output.style import Style

_HEAD = ("ROLE", "MODEL", "SIZE", "DEVICE", "TYPE", "UNTIL")


def text(ps: dict[str, Any], style: Style, now: float) -> str:
    """A line for each role that has a model, and what there is to say of it below. `now`: seconds since the epoch."""
    table = [_HEAD, *[_row(model, now) for model in ps["models"]]]
    widths = [max(len(row[column]) for row in table) for column in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    shown = [style.bold(lines[0])]
    for line, model in zip(lines[1:], ps["models"], strict=True):
        shown.append(line)
        shown += [style.dim(f"  {safe.line(model[key])}") for key in ("reason", "hint") if model[key]]
    if ps["pid"]:
        shown.append(style.dim(f"The worker (pid {ps['pid']}) takes {size(ps['used_bytes'])}."))
    return "\n".join(shown)


def _row(model: dict[str, Any], now: float) -> tuple[str, ...]:
    here = model["state"] == "ready"
    until = _until(model["until"], now) if here else {"off": "not in memory"}.get(model["state"], model["state"])
    measured = size(model["size_bytes"]) if here else "-"
    return (
        model["role"],
        safe.line(model["name"]),
        measured,
        model["device"] or "-",
        model["compute_type"] or "-",
        until,
    )


def _until(until: float | None, now: float) -> str:
    return "for ever" if until is None else f"{duration(max(0.0, until - now))} from now"
