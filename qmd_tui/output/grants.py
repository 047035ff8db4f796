"""Tokens as a list: what each allows, never the token itself."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from qmd_tui.output import safe


def encode(found: Sequence[dict[str, Any]]) -> str:
    """A JSON array of `{id, name, index, collections, read_only, rate, created_at, expires_at, expired}`."""
    return json.dumps(list(found), ensure_ascii=False, indent=2)


def text(found: Sequence[dict[str, Any]]) -> str:
    """A line for each, or that there is none."""
    return "\n".join(map(_line, found)) if found else "There is none."


def _line(one: dict[str, Any]) -> str:
    parts = [
        "all collections" if not one["collections"] else safe.line(", ".join(one["collections"])),
        "read-only" if one["read_only"] else "may start jobs",
        f"{one['rate']:g}/s" if one["rate"] else "",
        _until(one),
    ]
    return f"{one['id']}  {safe.line(one['name'])}  {'; '.join(part for part in parts if part)}"


def _until(one: dict[str, Any]) -> str:
    if not one["expires_at"]:
        return ""
    day = time.strftime("%Y-%m-%d %H:%M", time.localtime(one["expires_at"]))
    return f"expired on {day}" if one["expired"] else f"until {day}"
