"""The formats by name. Each is a module with

search(hits)     the answer of a search, "" where the format says nothing about none
documents(rows)  many documents, piece by piece: they need not all be in memory

A row has `file`, `docid` ("" with `--full-path`), `title`, `context`, and `body`, `snippet` or `skipped` and `reason`.
`cli` is `hits` and `document`, which take a style; `jsonl` is `rows.stage`.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, Protocol

_MODULES = {"json": "rows", "csv": "comma_rows", "md": "markdown", "xml": "tagged_rows", "files": "file_rows"}
NAMES = ("cli", "json", "jsonl", "csv", "md", "xml", "files")


class Format(Protocol):
    """What a module of a format has."""

    def search(self, hits: list[dict[str, Any]]) -> str: ...

    def documents(self, rows: Iterator[dict[str, Any]]) -> Iterator[str]: ...


def load(name: str) -> Format:
    """The module of a format; only that one is imported."""
    module: Any = import_module(f"qmd_tui.output.{_MODULES[name]}")
    return module  # type: ignore[no-any-return]
