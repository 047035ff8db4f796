"""Documents, or parts of them, as `qmd get` and `qmd multi-get` show them to a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from qmd_tui.output import safe
from qmd_tui.output.style import Style


def text(reply: dict[str, Any], style: Style, *, numbers: bool = True) -> str:
    """The address and docid on the first line, then the context, then the lines asked for, numbered as in the file.

    `reply` is a dict in the shape of `ipc.protocol.DocumentReply`.
    """
    header = _header(reply, style)
    if reply["first_line"] > reply["total_lines"]:
        return "\n".join(header)
    lines = safe.block(reply["text"]).split("\n")
    if numbers:
        lines = [f"{style.dim(f'{number}:')} {content}" for number, content in enumerate(lines, reply["first_line"])]
    return "\n".join([*header, *lines])


def documents(rows: Iterable[dict[str, Any]], style: Style, *, numbers: bool = True) -> Iterator[str]:
    """The same for many, with an empty line behind each; rows have `body`, or `skipped` and a `reason`."""
    for row in rows:
        if row.get("skipped"):
            yield "\n".join([*_header(row, style), style.dim(f"[SKIPPED: {row['reason']}]"), ""])
        else:
            yield text({**row, "text": row["body"]}, style, numbers=numbers) + "\n"


def _header(row: dict[str, Any], style: Style) -> list[str]:
    docid = f" {style.dim(safe.line(row['docid']))}" if row["docid"] else ""
    context = " ".join(row.get("context", "").split())
    lines = [f"{style.address(safe.line(row['file']))}{docid}"]
    return [*lines, style.dim(f"Context: {safe.line(context)}")] if context else lines
