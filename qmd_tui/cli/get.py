"""`qmd get`: documents, or lines of them, from the index. No daemon is asked."""

from __future__ import annotations

import argparse
from typing import Any

from ipc.errors import QmdError
from ipc.paths import Paths
from qmd_tui.cli.parser import whole_number
from qmd_tui.output import document, streams
from qmd_tui.output.style import style_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "refs",
        metavar="REF[:LINE[:COUNT]]",
        nargs="+",
        help="docid, qmd:// address, collection/path, or a file's path or the end of one",
    )
    parser.add_argument("--from", dest="from_line", metavar="LINE", type=int, help="the first line shown")
    parser.add_argument("-l", "--lines", metavar="N", type=whole_number, help="at most so many lines")
    parser.add_argument("--no-line-numbers", dest="numbers", action="store_false", help="the text alone")
    parser.add_argument("--full-path", action="store_true", help="name the file by its path, not by address and docid")
    parser.add_argument("--json", action="store_true", help="a JSON object, or with several REFs a line for each")


def run(args: argparse.Namespace, paths: Paths) -> int:
    """What is found is shown; the first thing that is not decides the exit code."""
    found, wrong = _ask(args, paths) if args.connect else _fetch(args, paths)
    if args.full_path:
        from qmd_tui.cli.answer import by_path

        found = by_path(found)
    if args.json:
        from qmd_tui.output import rows

        for reply in found:
            streams.result(rows.encode(reply) if len(args.refs) == 1 else rows.line(reply))
    elif found:
        style = style_of()
        streams.result("\n\n".join(document.text(reply, style, numbers=args.numbers) for reply in found))
    for error in wrong:
        streams.error(error)
    return wrong[0].exit_code if wrong else 0


def _fetch(args: argparse.Namespace, paths: Paths) -> tuple[list[dict[str, Any]], list[QmdError]]:
    from qmd_daemon import offline

    # As tobi/qmd's: a line before the first is the first.
    from_line = None if args.from_line is None else max(1, args.from_line)
    found, wrong = [], []
    for ref in args.refs:
        try:
            found.append(offline.get(paths, ref, from_line=from_line, max_lines=args.lines, index=args.index))
        except QmdError as error:
            wrong.append(error)
    return found, wrong


def _ask(args: argparse.Namespace, paths: Paths) -> tuple[list[dict[str, Any]], list[QmdError]]:
    """The same of a daemon elsewhere, which knows nothing of the working directory."""
    from ipc.protocol import Get
    from qmd_tui.cli import daemon

    from_line = None if args.from_line is None else max(1, args.from_line)
    found, wrong = [], []
    with daemon.reach(args, paths).connect() as client:
        for ref in args.refs:
            try:
                found.append(client.call_raw(Get(ref=ref, from_line=from_line, max_lines=args.lines, index=args.index)))
            except QmdError as error:
                wrong.append(error)
    return found, wrong
