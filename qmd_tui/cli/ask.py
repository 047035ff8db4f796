"""`qmd vsearch` and `qmd query`: the searches that need a model, and so the daemon that has it."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from ipc.paths import Paths
from ipc.protocol import Query, SearchReply, SearchRequest, VSearch
from ipc.sync import SyncClient
from qmd_tui.cli import answer, daemon, flags


def add_arguments(parser: argparse.ArgumentParser) -> None:
    flags.add_search_arguments(parser)


def run(args: argparse.Namespace, paths: Paths) -> int:
    kind = VSearch if args.command == "vsearch" else Query
    request = kind(
        query=" ".join(args.query),
        top_k=flags.top_k(args),
        collections=args.collection,
        min_score=args.min_score,
        explain=args.explain,
        index=args.index,
        stream=args.format == "jsonl",
    )
    endpoint = daemon.ensure(paths)
    with daemon.patience(endpoint), SyncClient(endpoint.rpc) as client:
        reply = _streamed(client, request) if request.stream else client.call_raw(request, timeout_s=daemon.ANSWER_S)
    return answer.show(reply, args, paths)


def _streamed(client: SyncClient, request: SearchRequest) -> dict[str, Any]:
    """Print the earlier stages as they come; the last is returned."""
    *_, last = (_told(reply) for reply in client.stream(request, SearchReply, timeout_s=daemon.ANSWER_S))
    return last


def _told(reply: SearchReply) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(reply)
    if not reply.done:
        answer.stage(shown, done=False)
    return shown
