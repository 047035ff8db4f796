"""`rg -n … | qmd rerank "question"`: lines from standard input, those that mean the most for the question first."""

from __future__ import annotations

import argparse
import io
import re
import sys
from operator import mul
from typing import Any

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import MAX_TEXTS, Embed, EmbedReply
from ipc.sync import SyncClient
from qmd_tui.cli import daemon
from qmd_tui.cli.parser import whole_number
from qmd_tui.output import rows, safe, streams

MAX_LINES = 10_000
# A model reads some hundred tokens; of a minified file there may be megabytes on one line.
_READ_CHARS = 2000
# What is longer is taken for several: memory has an end.
_LINE_CHARS = 100_000
_COLOR = re.compile(r"\x1b\[[0-9;]*[mK]")
# `path:12:` or `path:12:5:`, as grep, ripgrep and compilers write it: where it stands, not what it says.
_PLACE = re.compile(r"^[^\s:][^:\n]*:\d+:(?:\d+:)?\s*")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", metavar="QUESTION", nargs="+", help="what you want to know; several words are one")
    parser.add_argument("-n", metavar="N", type=whole_number, help="only the best N lines")
    parser.add_argument("--min-score", metavar="S", type=float, help="leave out what is less near (-1 to 1)")
    parser.add_argument("--json", action="store_true", help="a JSON array of {score, line}")


def run(args: argparse.Namespace, paths: Paths) -> int:
    """Exit code 1 when no line is left."""
    if sys.stdin.isatty():
        raise QmdError(
            "invalid", "There is nothing on standard input.", 'Such as `rg -n retry | qmd rerank "question"`.'
        )
    ranked = _ranked(args, _lines(), paths)
    shown = [one for one in ranked if args.min_score is None or one[0] >= args.min_score][: args.n]
    if args.json:
        found: list[dict[str, Any]] = [{"score": round(score, 4), "line": line} for score, line in shown]
        streams.result(rows.encode(found))
    else:
        for _, line in shown:
            streams.result(safe.block(line))
    return 0 if shown else 1


def _lines() -> list[str]:
    lines: list[str] = []
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # what was searched need not be UTF-8
    for line in iter(lambda: sys.stdin.readline(_LINE_CHARS), ""):
        if text := _COLOR.sub("", line).strip("\r\n"):
            if len(lines) == MAX_LINES:
                streams.say(f"only the first {MAX_LINES} lines are read.")
                break
            lines.append(text)
    return [line for line in lines if line.strip()]


def _ranked(args: argparse.Namespace, lines: list[str], paths: Paths) -> list[tuple[float, str]]:
    """The lines with the cosine of each to the question, nearest first, else in their order."""
    if not lines:
        return []
    meanings = [(_PLACE.sub("", line) or line)[:_READ_CHARS] for line in lines]
    texts = list(dict.fromkeys(meanings))
    endpoint = daemon.reach(args, paths)
    with daemon.patience(endpoint), SyncClient(endpoint.rpc, endpoint.keys) as client:
        asked = _embed(client, [" ".join(args.query)], "query")[0]
        batches = (texts[start : start + MAX_TEXTS] for start in range(0, len(texts), MAX_TEXTS))
        vectors = [vector for batch in batches for vector in _embed(client, batch, "document")]
    score = {text: sum(map(mul, asked, vector)) for text, vector in zip(texts, vectors, strict=True)}
    scored = [(score[meaning], line) for meaning, line in zip(meanings, lines, strict=True)]
    return sorted(scored, key=lambda one: -one[0])


def _embed(client: SyncClient, texts: list[str], kind: Any) -> list[list[float]]:
    """Vectors of length 1."""
    return client.call(Embed(texts=texts, kind=kind), EmbedReply, timeout_s=daemon.ANSWER_S).embeddings
