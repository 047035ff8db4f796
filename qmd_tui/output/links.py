"""OSC 8: addresses on a terminal that open the person's editor at the line."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from qmd_tui.output import safe

DEFAULT = "vscode://file/{path}:{line}:{col}"


def with_links(rows: Iterable[dict[str, Any]], template: str) -> list[dict[str, Any]]:
    """The rows with a `link` for those whose file is known. $QMD_EDITOR_URI wins over `template`, "" is the default."""
    chosen = os.environ.get("QMD_EDITOR_URI") or template or DEFAULT
    if chosen != safe.line(chosen):  # it would write to the terminal
        return list(rows)
    return [
        {**row, "link": editor_link(chosen, row["location"], row.get("line", 1))} if row.get("location") else row
        for row in rows
    ]


def editor_link(template: str, path: str, line: int, column: int = 1) -> str:
    """The template with `{path}`, percent-encoded, `{line}` and `{col}` filled in."""
    from urllib.parse import quote

    filled = template.replace("{path}", quote(path)).replace("{line}", str(line))
    return filled.replace("{col}", str(column)).replace("{column}", str(column))
