"""`qmd vsearch`, `qmd query` and `qmd similar`: the searches that need vectors, and so the daemon that has them."""

from __future__ import annotations

import argparse
import os
from typing import Any

import msgspec

from ipc.paths import Paths
from ipc.protocol import Query, SearchReply, SearchRequest, Similar, VSearch
from ipc.sync import SyncClient
from qmd_tui.cli import answer, daemon, flags


def add_arguments(parser: argparse.ArgumentParser) -> None:
    if parser.get_default("command") == "similar":
        parser.add_argument("ref", metavar="REF", help="docid, qmd:// address, collection/path, or a file's path")
        parser.set_defaults(explain=False)
        flags.add_answer_arguments(parser)
    else:
        flags.add_search_arguments(parser)
        flags.add_stages(parser)


def run(args: argparse.Namespace, paths: Paths) -> int:
    request = _similar(args) if args.command == "similar" else _request(args)
    endpoint = daemon.reach(args, paths)
    with daemon.patience(endpoint), SyncClient(endpoint.rpc, endpoint.keys) as client:
        if args.format == "jsonl" and isinstance(request, SearchRequest):
            reply = _streamed(client, request)
        else:
            reply = client.call_raw(request, timeout_s=daemon.ANSWER_S)
    return answer.show(reply, args, paths)


def _similar(args: argparse.Namespace) -> Similar:
    here = args.ref.startswith(("./", "../", "~/"))  # the daemon has another working directory
    return Similar(
        ref=os.path.abspath(os.path.expanduser(args.ref)) if here else args.ref,
        top_k=flags.top_k(args),
        collections=args.collection,
        min_score=args.min_score,
        index=args.index,
    )


def _request(args: argparse.Namespace) -> SearchRequest:
    kind = VSearch if args.command == "vsearch" else Query
    return kind(
        query=" ".join(args.query),
        top_k=flags.top_k(args),
        collections=args.collection,
        min_score=args.min_score,
        explain=args.explain,
        index=args.index,
        intent=args.intent,
        min_relevance=args.min_relevance,
        expand=args.expand,
        rerank=args.rerank,
        candidates=args.candidates,
        budget_ms=args.budget,
        stream=args.format == "jsonl",
        **flags.restrictions(args),
    )


def _streamed(client: SyncClient, request: SearchRequest) -> dict[str, Any]:
    """Print the earlier stages as they come; the last is returned."""
    *_, last = (_told(reply) for reply in client.stream(request, SearchReply, timeout_s=daemon.ANSWER_S))
    return last


def _told(reply: SearchReply) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(reply)
    if not reply.done:
        answer.stage(shown, done=False)
    return shown
