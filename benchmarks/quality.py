"""Retrieval quality on collections with relevance judgments, through a real daemon.

    python benchmarks/quality.py --eval DIR [--sets scifact,xquad-zh] [--home DIR] [--write docs/quality.md]

DIR holds one directory a collection: `docs/*.md`, `queries.tsv` (id, text; `queries.LANGUAGE.tsv` for the same asked
otherwise) and `qrels.tsv` (query, document, relevance; the document is its file's name without `.md`). Prints nDCG@10
(graded gains, averaged over queries) with its 95 % confidence interval, recall@100, MRR@10 and the time of an answer,
beside the BM25 and RRF baselines that were published with the sets.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from typing import NamedTuple

from ipc.errors import QmdError
from ipc.launch import ensure_daemon
from ipc.paths import Paths
from ipc.protocol import CollectionAdd, EmbedIndex, Job, JobGet, Query, Search, SearchRequest, Shutdown, Update, VSearch
from ipc.sync import SyncClient
from qmd_tui.bench import judged, metrics

MODES: dict[str, type[SearchRequest]] = {"lexical": Search, "vector": VSearch, "hybrid": Query}
# nDCG@10 of Lucene's BM25 and of RRF of it with all-MiniLM-L6-v2, from the sets' own description.
BASELINES = {
    "scifact": (0.683, 0.717),
    "anthropic-docs": (0.725, 0.788),
    "covidqa": (0.765, 0.772),
    "xquad-en": (0.972, 0.976),
    "libafl-code": (0.636, 0.696),
    "cmrc2018": (0.982, None),
    "cmrc2018:hant": (0.806, None),
    "xquad-zh": (0.975, None),
    "xquad-zh:en": (0.148, None),
    "jsquad": (0.938, None),
}
DEPTH = 100
_HEADER = "| set | mode | nDCG@10 | 95 % | baseline | recall@100 | MRR@10 | p50 ms | p95 ms |"
_INTRODUCTION = """\
# Retrieval quality

Written by `benchmarks/quality.py`. Each set is indexed as a user would, and asked through a real daemon, with the
embedded model (all-MiniLM-L6-v2) and neither expansion nor reranking. The baseline of *lexical* is BM25 as in Lucene
(Chinese and Japanese: over pairs of characters), that of *hybrid* is RRF of it with the same model. `SET:LANGUAGE` asks
the same questions in another language or script. nDCG@10 has graded gains and is averaged over the questions; its
interval is of 1000 bootstrap samples of them. Milliseconds are of a whole answer with 100 results and their snippets.

"""


class Measured(NamedTuple):
    """A line of the table: what each question scored, and how long its answer took."""

    name: str
    mode: str
    ndcg: list[float]
    recall: list[float]
    rank: list[float]
    ms: list[float]

    def line(self) -> str:
        low, high = metrics.interval(self.ndcg)
        baseline = BASELINES.get(self.name, (None, None))[self.mode == "hybrid"] if self.mode != "vector" else None
        return (
            f"| {self.name} | {self.mode} | {metrics.mean(self.ndcg):.3f} | {low:.3f}–{high:.3f} | "
            f"{f'{baseline:.3f}' if baseline else '–'} | {metrics.mean(self.recall):.3f} | "
            f"{metrics.mean(self.rank):.3f} | {metrics.percentile(self.ms, 0.5):.1f} | "
            f"{metrics.percentile(self.ms, 0.95):.1f} |"
        )


def main() -> None:
    options = _options()
    lines = [_HEADER, "|" + " --- |" * 9]
    with contextlib.ExitStack() as stack:
        home = options.home or stack.enter_context(tempfile.TemporaryDirectory(prefix="qmd-quality-"))
        paths = Paths.from_environment({**os.environ, "QMD_HOME": home, "QMD_HTTP_PORT": "0"})
        os.environ.update(QMD_HOME=home, QMD_HTTP_PORT="0")
        with SyncClient(ensure_daemon(paths).rpc) as client:
            try:
                print(*lines, sep="\n")
                for name in options.sets.split(","):
                    for measured in _measure(client, options.eval, name, options.modes.split(",")):
                        lines.append(measured.line())
                        print(lines[-1], flush=True)
            finally:
                client.call(Shutdown())
    if options.write:
        with open(options.write, "w", encoding="utf-8") as file:
            file.write(_INTRODUCTION + "\n".join(lines) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eval", required=True, help="the directory of the collections")
    parser.add_argument("--home", help="keep the indexes here, and use those that are")
    parser.add_argument("--sets", default=",".join(BASELINES))
    parser.add_argument("--modes", default="lexical,vector,hybrid")
    parser.add_argument("--write", help="the file that the table is written to")
    return parser.parse_args()


def _measure(client: SyncClient, root: str, name: str, modes: list[str]) -> Iterator[Measured]:
    """Index a collection in an index of its own, and ask all its questions."""
    collection, _, language = name.partition(":")
    index_directory(client, os.path.join(root, collection, "docs"), collection)
    file = f"queries.{language}.tsv" if language else "queries.tsv"
    questions = judged.read(os.path.join(root, collection), file)
    for mode in modes:
        measured = Measured(name, mode, [], [], [], [])
        for question in questions:
            started = time.perf_counter()
            reply = client.call(MODES[mode](index=collection, query=question.text, top_k=DEPTH))
            measured.ms.append((time.perf_counter() - started) * 1000)
            ranked = [hit.path.removesuffix(".md") for hit in reply.results]
            measured.ndcg.append(metrics.ndcg(ranked, question.gains))
            measured.recall.append(metrics.recall(ranked, question.relevant, DEPTH))
            measured.rank.append(metrics.reciprocal_rank(ranked, question.relevant))
        yield measured


def index_directory(client: SyncClient, path: str, index: str) -> None:
    """Index a directory in an index of its own, or bring it up to date."""
    try:
        _finish(client, client.call(CollectionAdd(index=index, path=path, name="docs", mask="**/*.md")).job)
    except QmdError as error:
        if error.code != "conflict":
            raise
        _finish(client, client.call(Update(index=index)).job)
        _finish(client, client.call(EmbedIndex(index=index)).job)


def _finish(client: SyncClient, job: Job) -> None:
    for progress in client.stream(JobGet(job=job.id, stream=True), timeout_s=3600):
        job = progress.job
    if job.state != "done":
        raise SystemExit(f"The indexing job ended as {job.state}: {job.error}")


if __name__ == "__main__":
    main()
