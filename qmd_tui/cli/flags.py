"""The flags of the three searches."""

from __future__ import annotations

import argparse
from typing import Any

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
    add_restrictions(parser)
    parser.add_argument(
        "--min-relevance", metavar="P", type=float, help="leave out what is less likely to answer (0 to 1)"
    )
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


def add_restrictions(parser: argparse.ArgumentParser) -> None:
    """Which documents may be found, besides `-c`."""
    parser.add_argument("--path", metavar="GLOB", action="append", default=[], help="only files like this; repeatable")
    parser.add_argument("--type", metavar="EXT", action="append", default=[], help="only these suffixes: md,py")
    parser.add_argument("--after", metavar="DATE", default="", help="only since: 2026-04-10, 2026-04, 2026, 7d, 2w")
    parser.add_argument("--before", metavar="DATE", default="", help="only from before that day")
    parser.add_argument(
        "--where",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="only with this in the front matter; repeatable",
    )


def restrictions(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of a SearchRequest that say which documents may be found."""
    return {
        "paths": args.path,
        "types": args.type,
        "after": args.after,
        "before": args.before,
        "where": args.where,
    }


def add_stages(parser: argparse.ArgumentParser) -> None:
    """What a `query` does beyond words and vectors, and how long it may take."""
    parser.add_argument("--intent", metavar="TEXT", default="", help="what you are after, to tell meanings apart")
    parser.add_argument("--budget", metavar="TIME", type=milliseconds, help="leave out what takes longer: 300ms, 1s")
    parser.add_argument(
        "--rerank",
        action=argparse.BooleanOptionalAction,
        help="have a model judge the best hits, or not (on a GPU it does, unless the query names something)",
    )
    parser.add_argument(
        "--expand",
        action=argparse.BooleanOptionalAction,
        help="have a model reword the query, or not (it does, unless the words alone find something clear)",
    )
    parser.add_argument(
        "-C",
        "--candidate-limit",
        dest="candidates",
        metavar="N",
        type=whole_number,
        default=40,
        help="hits judged (40)",
    )


def milliseconds(text: str) -> int:
    """`300ms`, `300` or `1.5s`. For argparse."""
    number, unit = (text[:-2], 1) if text.endswith("ms") else (text[:-1], 1000) if text.endswith("s") else (text, 1)
    try:
        found = round(float(number) * unit)
    except (ValueError, OverflowError):
        found = 0
    if found < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 300ms or 1.5s")
    return found


def add_format(parser: argparse.ArgumentParser, names: tuple[str, ...]) -> None:
    """`--format NAME`, and each name as a flag of its own; the last one counts."""
    parser.add_argument("--format", metavar="NAME", choices=names, default="cli", help=f"{', '.join(names)}")
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
