"""The answer of a search, shown in the format that was asked for. Start-up counts here, too: `qmd search` is this."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ipc.errors import QmdError
from ipc.paths import Paths
from qmd_tui.output import streams


def show(reply: dict[str, Any], args: argparse.Namespace, paths: Paths) -> int:
    """Print an answer in the shape of `ipc.protocol.SearchReply`; returns the exit code, 0 hits or 1 none."""
    for note in reply["notes"]:
        streams.say(note)
    hits = _prepared(reply["results"], args, paths)
    if args.format == "cli":
        _for_people(hits, args)
    elif args.format == "jsonl":
        stage(reply | {"results": hits}, done=True)
    else:
        from qmd_tui.output import formats

        if text := formats.load(args.format).search(hits):
            streams.result(text)
    if args.explain:
        from qmd_tui.output.hits import stages

        streams.say(stages(reply["stages"]))
    return 0 if hits else 1


def stage(reply: dict[str, Any], *, done: bool) -> None:
    """Print one stage of an answer as a line of JSON, at once."""
    from qmd_tui.output import rows

    streams.result(rows.stage(reply, done=done))
    sys.stdout.flush()


def _prepared(hits: list[dict[str, Any]], args: argparse.Namespace, paths: Paths) -> list[dict[str, Any]]:
    if args.connect and (args.full or args.full_path):
        raise QmdError("invalid", "The files are on the other machine.", "`qmd --connect PLACE get REF` shows one.")
    linked = args.format == "cli" and not args.connect and streams.takes_color(sys.stdout)
    if hits and (args.full or args.full_path or linked):
        from qmd_daemon import offline

        hits = offline.complete(paths, hits, bodies=args.full, index=args.index)
        if linked:
            from qmd_tui.output.links import with_links

            hits = with_links(hits, offline.editor_uri(paths, index=args.index))
    if args.full_path:
        hits = by_path(hits)
    if args.line_numbers and args.format != "cli":  # there they are numbered anyway
        from qmd_tui.output import shape

        hits = list(shape.numbered(hits))
    return hits


def by_path(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows named by their files; those whose file is gone keep their address, and the person is told."""
    from qmd_tui.output import shape

    named, gone = shape.by_path(rows)
    for address in gone:
        streams.say(f"{address} has no file any more; it is named by its address.")
    return named


def _for_people(hits: list[dict[str, Any]], args: argparse.Namespace) -> None:
    if hits:
        from qmd_tui.output import hits as output
        from qmd_tui.output.style import style_of

        streams.result(output.text(hits, style_of(sys.stdout)))
    elif args.min_score is None and getattr(args, "min_relevance", None) is None:
        streams.heading("No results found.")
    else:
        least = "score" if args.min_score is not None else "relevance"
        streams.heading(f"No results found above minimum {least} threshold.")
