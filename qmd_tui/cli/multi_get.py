"""`qmd multi-get`: many documents by a glob or a list, from the index. No daemon is asked."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from ipc.paths import Paths
from qmd_tui.cli import flags
from qmd_tui.cli.parser import whole_number
from qmd_tui.output import streams

MAX_BYTES = 65536
FORMATS = ("cli", "json", "csv", "md", "xml", "files")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pattern", metavar="PATTERN", help="a glob such as 'notes/**/*.md', or REF,REF,…")
    parser.add_argument(
        "--max-bytes", metavar="N", type=whole_number, default=MAX_BYTES, help=f"skip larger documents ({MAX_BYTES})"
    )
    parser.add_argument("-l", "--lines", metavar="N", type=whole_number, help="at most so many lines of each")
    flags.add_format(parser, FORMATS)
    parser.add_argument("--no-line-numbers", dest="numbers", action="store_false", help="the texts alone")
    parser.add_argument("--full-path", action="store_true", help="files by their paths, not by address and docid")


def run(args: argparse.Namespace, paths: Paths) -> int:
    """Exit code 0 when a document was found, 1 when none was; what was not found is told in any case."""
    from qmd_daemon import offline

    rows, wrong = offline.multi_get(
        paths, args.pattern, max_lines=args.lines, max_bytes=args.max_bytes, index=args.index
    )
    for error in wrong:
        streams.error(error)
    found = _Counted(rows)
    for piece in _pieces(found, args):
        streams.result(piece)
    if not found.count and not wrong:
        streams.heading(f"No documents match {args.pattern!r}.")
    return 0 if found.count else 1


class _Counted:
    """Rows that go by, and how many have."""

    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self._rows:
            self.count += 1
            yield row


def _pieces(found: _Counted, args: argparse.Namespace) -> Iterator[str]:
    from qmd_tui.output import shape

    rows = iter(found)
    if args.full_path:
        rows = _by_path(rows)
    if args.format == "cli":
        from qmd_tui.output import document
        from qmd_tui.output.style import style_of

        yield from document.documents(rows, style_of(), numbers=args.numbers)
        return
    from qmd_tui.output import formats

    numbered = (one for row in rows for one in (shape.numbered([row]) if args.numbers and "body" in row else [row]))
    first = next(numbered, None)
    if first is None and args.format != "json":
        return
    yield from formats.load(args.format).documents(_with(first, numbered))


def _with(first: dict[str, Any] | None, rest: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    if first is not None:
        yield first
        yield from rest


def _by_path(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    from qmd_tui.cli.answer import by_path

    for row in rows:
        yield from by_path([row])
