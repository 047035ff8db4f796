"""Retrieval quality on collections with relevance judgments, through a real daemon.

    python benchmarks/quality.py --eval DIR [--sets scifact,xquad-zh] [--modes lexical,vector,hybrid]

DIR holds one directory a collection: `docs/*.md`, `queries.tsv` (id, text) and `qrels.tsv` (query, document,
relevance; the document is its file's name without `.md`). Prints nDCG@10 (graded gains, averaged over queries) and
recall@100 beside the BM25 and RRF baselines that were published with the sets.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

from ipc.launch import ensure_daemon
from ipc.paths import Paths
from ipc.protocol import CollectionAdd, Job, JobGet, Query, Search, SearchRequest, Shutdown, VSearch
from ipc.sync import SyncClient

MODES: dict[str, type[SearchRequest]] = {"lexical": Search, "vector": VSearch, "hybrid": Query}
# nDCG@10 of Lucene's BM25 and of RRF of it with all-MiniLM-L6-v2, from the sets' own description.
BASELINES = {
    "scifact": (0.683, 0.717),
    "anthropic-docs": (0.725, 0.788),
    "covidqa": (0.765, 0.772),
    "xquad-en": (0.972, 0.976),
    "libafl-code": (0.636, 0.696),
    "cmrc2018": (0.982, None),
    "xquad-zh": (0.975, None),
    "jsquad": (0.938, None),
}
DEPTH = 100


class Judged(NamedTuple):
    """A question and the gain of each document that answers it."""

    text: str
    gains: dict[str, float]


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="qmd-quality-") as home:
        paths = Paths.from_environment({**os.environ, "QMD_HOME": home, "QMD_HTTP_PORT": "0"})
        os.environ.update(QMD_HOME=home, QMD_HTTP_PORT="0")
        with SyncClient(ensure_daemon(paths).rpc) as client:
            try:
                print(f"{'set':16}{'mode':10}{'nDCG@10':>9}{'recall@100':>12}{'baseline':>10}")
                for name in options.sets.split(","):
                    for mode, ndcg, recall in _measure(client, options.eval, name, options.modes.split(",")):
                        baseline = BASELINES.get(name, (None, None))[mode == "hybrid"] if mode != "vector" else None
                        print(f"{name:16}{mode:10}{ndcg:9.3f}{recall:12.3f}{baseline or '':>10}", flush=True)
            finally:
                client.call(Shutdown())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eval", required=True, help="the directory of the collections")
    parser.add_argument("--sets", default=",".join(BASELINES))
    parser.add_argument("--modes", default="lexical,vector,hybrid")
    return parser.parse_args()


def _measure(client: SyncClient, root: str, name: str, modes: list[str]) -> Iterator[tuple[str, float, float]]:
    """Index a collection in an index of its own, ask all its questions; (mode, nDCG@10, recall@100)."""
    index = name.replace("/", "-")
    added = client.call(CollectionAdd(index=index, path=os.path.join(root, name, "docs"), name="docs", mask="**/*.md"))
    job: Job = added.job
    for progress in client.stream(JobGet(job=job.id, stream=True), timeout_s=600):
        job = progress.job
    if job.state != "done":
        raise SystemExit(f"{name}: the indexing job ended as {job.state}: {job.error}")
    questions = _questions(os.path.join(root, name))
    for mode in modes:
        ndcg = recall = 0.0
        for question in questions:
            reply = client.call(MODES[mode](index=index, query=question.text, top_k=DEPTH))
            ranked = [hit.path.removesuffix(".md") for hit in reply.results]
            ndcg += _ndcg(ranked, question.gains)
            relevant = {document for document, gain in question.gains.items() if gain > 0}
            recall += len(relevant.intersection(ranked)) / len(relevant)
        yield mode, ndcg / len(questions), recall / len(questions)


def _questions(directory: str) -> list[Judged]:
    gains: dict[str, dict[str, float]] = {}
    for query, document, relevance in _rows(os.path.join(directory, "qrels.tsv")):
        gains.setdefault(query, {})[document] = float(relevance)
    rows = _rows(os.path.join(directory, "queries.tsv"))
    return [
        Judged(text, gains[query]) for query, text in rows if any(gain > 0 for gain in gains.get(query, {}).values())
    ]


def _rows(path: str) -> Iterator[list[str]]:
    with open(path, encoding="utf-8") as file:
        for line in file:
            yield line.rstrip("\n").split("\t")


def _ndcg(ranked: list[str], gains: dict[str, float], k: int = 10) -> float:
    """Järvelin and Kekäläinen 2002, with linear gains: sum of gain / log2(rank + 1) over that of the ideal order."""
    found = sum(gains.get(document, 0.0) / math.log2(rank + 2) for rank, document in enumerate(ranked[:k]))
    ideal = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(sorted(gains.values(), reverse=True)[:k]))
    return found / ideal


if __name__ == "__main__":
    main()
