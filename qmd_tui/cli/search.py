"""`qmd search`: reads the index itself. Start-up counts: nothing is imported that it does not need."""

from __future__ import annotations

import argparse

from ipc.paths import Paths
from qmd_tui.cli import answer, flags


def add_arguments(parser: argparse.ArgumentParser) -> None:
    flags.add_search_arguments(parser)


def run(args: argparse.Namespace, paths: Paths) -> int:
    if args.connect:
        return _ask(args, paths)
    from qmd_daemon import offline

    reply = offline.search(
        paths,
        " ".join(args.query),
        top_k=flags.top_k(args),
        collections=args.collection,
        min_score=args.min_score,
        min_relevance=args.min_relevance,
        explain=args.explain,
        restrict=flags.restrictions(args),
        index=args.index,
    )
    return answer.show(reply, args, paths)


def _ask(args: argparse.Namespace, paths: Paths) -> int:
    """The same of a daemon elsewhere."""
    from ipc.protocol import Search
    from qmd_tui.cli import daemon

    request = Search(
        query=" ".join(args.query),
        top_k=flags.top_k(args),
        collections=args.collection,
        min_score=args.min_score,
        explain=args.explain,
        index=args.index,
        **flags.restrictions(args),
    )
    with daemon.reach(args, paths).connect() as client:
        return answer.show(client.call_raw(request), args, paths)
