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
    body = safe.block(reply["text"]).removesuffix("\n")
    if not body and not reply["text"]:
        return header
    if numbers:
        lines = enumerate(body.split("\n"), reply["first_line"])
        body = "\n".join(f"{style.dim(f'{number}:')} {content}" for number, content in lines)
    return f"{header}\n{body}"
