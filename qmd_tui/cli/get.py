"""`qmd get`: a document, or lines of it, from the index. No daemon is asked."""

from __future__ import annotations

import argparse

from ipc.paths import Paths
from qmd_tui.cli.parser import whole_number
from qmd_tui.output import document, streams
from qmd_tui.output.style import style_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ref", metavar="REF[:LINE[:COUNT]]", help="docid, qmd:// address, collection/path or file")
    parser.add_argument("--from", dest="from_line", metavar="LINE", type=int, help="the first line shown")
    parser.add_argument("-l", "--lines", metavar="N", type=whole_number, help="at most so many lines")
    parser.add_argument("--no-line-numbers", dest="numbers", action="store_false", help="the text alone")


def run(args: argparse.Namespace, paths: Paths) -> int:
    from qmd_daemon import offline

    # As tobi/qmd's: a line before the first is the first.
    from_line = None if args.from_line is None else max(1, args.from_line)
    reply = offline.get(paths, args.ref, from_line=from_line, max_lines=args.lines, index=args.index)
    streams.result(document.text(reply, style_of(), numbers=args.numbers))
    return 0
