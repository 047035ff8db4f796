"""The flags of the three searches, and how their answer is shown."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ipc.errors import QmdError
from qmd_tui.cli.parser import whole_number
from qmd_tui.output import streams

RESULTS = 5
RESULTS_JSON = 20
# ipc.protocol.MAX_TOP_K, which is not imported here: msgspec would cost `qmd search` as much as all the rest.
RESULTS_MAX = 1000


def add_search_arguments(parser: argparse.ArgumentParser) -> None:
    """QUERY and the flags that search, vsearch and query share."""
    parser.add_argument("query", metavar="QUERY", nargs="+", help="what to look for; several words are one query")
    parser.add_argument("-n", metavar="N", type=whole_number, help=f"results ({RESULTS}; {RESULTS_JSON} with --json)")
    parser.add_argument("-c", "--collection", metavar="NAME", action="append", default=[], help="only in; repeatable")
    parser.add_argument("--min-score", metavar="S", type=float, help="leave out what scores less (0 to 1)")
    parser.add_argument("--json", action="store_true", help="a JSON array")
    parser.add_argument("--explain", action="store_true", help="say why each was found")


def top_k(args: argparse.Namespace) -> int:
    """How many results are wanted. Raises QmdError("invalid") above the limit."""
    wanted: int = args.n or (RESULTS_JSON if args.json else RESULTS)
    if wanted > RESULTS_MAX:
        raise QmdError("invalid", f"-n {wanted} is over the limit of {RESULTS_MAX}.")
    return wanted


def show(reply: dict[str, Any], args: argparse.Namespace) -> int:
    """Print an answer in the shape of `ipc.protocol.SearchReply`; returns the exit code, 0 hits or 1 none."""
    hits = reply["results"]
    for note in reply["notes"]:
        streams.say(note)
    if args.json:
        from qmd_tui.output import rows

        streams.result(rows.search(hits))
    elif hits:
        from qmd_tui.output import hits as output
        from qmd_tui.output.style import style_of

        streams.result(output.text(hits, style_of(sys.stdout)))
    elif args.min_score is None:
        streams.heading("No results found.")
    else:
        streams.heading("No results found above minimum score threshold.")
    if args.explain:
        from qmd_tui.output.hits import stages

        streams.say(stages(reply["stages"]))
    return 0 if hits else 1
