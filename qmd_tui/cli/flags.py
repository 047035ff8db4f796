"""The flags of the three searches."""

from __future__ import annotations

import argparse

from ipc.errors import QmdError
from qmd_tui.cli.parser import whole_number

RESULTS = 5
# For programs that read rows, as in tobi/qmd.
RESULTS_ROWS = 20
_ROWS = frozenset({"json", "jsonl", "files"})
# ipc.protocol.MAX_TOP_K, which is not imported here: msgspec would cost `qmd search` as much as all the rest.
RESULTS_MAX = 1000
# qmd_tui.output.formats.NAMES, for the same reason written out; a test holds them together.
FORMATS = ("cli", "json", "jsonl", "csv", "md", "xml", "files")


def add_search_arguments(parser: argparse.ArgumentParser) -> None:
    """QUERY and the flags that search, vsearch and query share."""
    parser.add_argument("query", metavar="QUERY", nargs="+", help="what to look for; several words are one query")
    add_answer_arguments(parser)
    parser.add_argument("--explain", action="store_true", help="say why each was found")


def add_answer_arguments(parser: argparse.ArgumentParser) -> None:
    """Which results, and how they are shown."""
    parser.add_argument(
        "-n", metavar="N", type=whole_number, help=f"results ({RESULTS}; {RESULTS_ROWS} with json and files)"
    )
    parser.add_argument("--all", action="store_true", help=f"all results, {RESULTS_MAX} at most")
    parser.add_argument("-c", "--collection", metavar="NAME", action="append", default=[], help="only in; repeatable")
    parser.add_argument("--min-score", metavar="S", type=float, help="leave out what scores less (0 to 1)")
    add_format(parser, FORMATS)
    parser.add_argument("--full", action="store_true", help="the whole documents instead of snippets")
    parser.add_argument("--line-numbers", action="store_true", help="number the lines of snippets, in every format")
    parser.add_argument("--full-path", action="store_true", help="files by their paths, not by address and docid")


def add_format(parser: argparse.ArgumentParser, names: tuple[str, ...]) -> None:
    """`--format NAME`, and each name as a flag of its own; the last one counts."""

    def known(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"Unknown --format value {text!r}; there are {', '.join(names)}")
        return text

    parser.add_argument("--format", metavar="NAME", type=known, default="cli", help=f"{', '.join(names)}")
    for name in names[1:]:
        parser.add_argument(f"--{name}", dest="format", action="store_const", const=name, help=f"--format {name}")


def top_k(args: argparse.Namespace) -> int:
    """How many results are wanted. Raises QmdError("invalid") above the limit."""
    if args.all:
        return RESULTS_MAX
    wanted: int = args.n or (RESULTS_ROWS if args.format in _ROWS else RESULTS)
    if wanted > RESULTS_MAX:
        raise QmdError("invalid", f"-n {wanted} is over the limit of {RESULTS_MAX}.")
    return wanted
