"""`qmd vsearch` and `qmd query`: the searches that need a model, and so the daemon that has it."""

from __future__ import annotations

import argparse

from ipc.paths import Paths
from ipc.protocol import Query, VSearch
from ipc.sync import SyncClient
from qmd_tui.cli import daemon, flags


def add_arguments(parser: argparse.ArgumentParser) -> None:
    flags.add_search_arguments(parser)


def run(args: argparse.Namespace, paths: Paths) -> int:
    kind = {"vsearch": VSearch, "query": Query}[args.command]
    request = kind(
        query=" ".join(args.query),
        top_k=flags.top_k(args),
        collections=args.collection,
        min_score=args.min_score,
        explain=args.explain,
        index=args.index,
    )
    endpoint = daemon.ensure(paths)
    with daemon.patience(endpoint), SyncClient(endpoint.rpc) as client:
        reply = client.call_raw(request, timeout_s=daemon.ANSWER_S)
    return flags.show(reply, args)
