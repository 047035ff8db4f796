"""A document, or a part of it, as `qmd get` shows it."""

from __future__ import annotations

from typing import Any

from qmd_tui.output import safe
from qmd_tui.output.style import Style


def text(reply: dict[str, Any], style: Style, *, numbers: bool = True) -> str:
    """The address and docid on the first line, then the lines asked for, numbered as in the file.

    `reply` is a dict in the shape of `ipc.protocol.DocumentReply`.
    """
    header = f"{style.address(safe.line(reply['file']))} {style.dim(safe.line(reply['docid']))}"
    if reply["first_line"] > reply["total_lines"]:
        return header
    lines = safe.block(reply["text"]).split("\n")
    if numbers:
        lines = [f"{style.dim(f'{number}:')} {content}" for number, content in enumerate(lines, reply["first_line"])]
    return "\n".join([header, *lines])
