"""A finding of `qmd doctor` as a line, with what to do about it on one of its own."""

from __future__ import annotations

from ipc.finding import Finding
from qmd_tui.output import safe
from qmd_tui.output.style import Style


def line(finding: Finding, style: Style) -> str:
    """`ok    disk: 12.0 GB are free.`"""
    state = finding.state.ljust(4)
    shown = {"ok": style.good, "warn": style.match, "fail": style.bad}[finding.state](state)
    text = f"{shown}  {style.bold(finding.check)}: {safe.line(finding.message)}"
    return f"{text}\n      {safe.line(finding.hint)}" if finding.hint else text
