"""Lists of places: collections, documents with their sizes and dates, contexts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from qmd_tui.output import safe
from qmd_tui.output.status import size
from qmd_tui.output.style import Style


def collections(found: Sequence[dict[str, Any]], style: Style) -> str:
    """A line for each CollectionInfo: its address and the number of its documents."""
    lines = []
    for each in found:
        address = safe.line(f"qmd://{each['name']}/")
        lines.append(f"{style.address(address)}  {style.dim(_files(each['documents']))}")
    return "\n".join(lines)


def documents(found: Sequence[dict[str, Any]], style: Style) -> str:
    """A line for each document: size, date, docid, address."""
    return "\n".join(
        f"{size(each['size_bytes']):>8}  {time.strftime('%Y-%m-%d %H:%M', time.localtime(each['modified_at']))}  "
        f"{style.dim(safe.line(each['docid']))}  {style.address(safe.line(each['file']))}"
        for each in found
    )


def contexts(found: Sequence[tuple[str, str]], style: Style) -> str:
    """An address and the sentence about it, each on its line."""
    return "\n".join(f"{style.address(safe.line(place))}\n  {safe.line(text)}" for place, text in found)


def _files(count: int) -> str:
    return f"({count} file{'' if count == 1 else 's'})"
