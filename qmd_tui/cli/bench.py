"""`qmd bench`: how good the searches are, on a fixture, on judgments, or on the person's own documents."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import Query, Search, SearchRequest, VSearch
from ipc.sync import SyncClient
from qmd_tui.bench import cases
from qmd_tui.bench import run as running
from qmd_tui.bench.cases import Suite
from qmd_tui.cli import daemon
from qmd_tui.output import streams

_EXAMPLES = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "suite", metavar="FIXTURE", nargs="?", help="a JSON fixture, or a directory with queries.tsv and qrels.tsv"
    )
    parser.add_argument("--auto", action="store_true", help="ask for your own titles, headings and links")
    parser.add_argument("-c", "--collection", metavar="NAME", default="", help="ask this collection")
    parser.add_argument("--modes", metavar="LIST", default=",".join(running.MODES), help=", ".join(running.MODES))
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace, paths: Paths) -> int:
    if bool(args.suite) == bool(args.auto):
        raise QmdError("invalid", "Usage: qmd bench FIXTURE, or qmd bench --auto.")
    modes = [mode.strip() for mode in args.modes.split(",") if mode.strip()]
    for mode in modes:
        if mode not in running.MODES:
            raise QmdError("invalid", f"There is no mode {mode!r}.", f"There are {', '.join(running.MODES)}.")
    suite = _own(paths, args) if args.auto else cases.load(args.suite)
    suite = suite._replace(collection=args.collection or suite.collection)
    _check(paths, suite, args.index)
    endpoint = daemon.ensure(paths)
    found: dict[str, Any] = {"description": suite.description, "questions": len(suite.cases), "modes": {}}
    missed: dict[str, list[dict[str, Any]]] = {}
    with daemon.patience(endpoint), SyncClient(endpoint.rpc) as client:
        for mode in modes:
            answers = running.ask(suite, mode, _Search(client, suite.collection, args.index))
            found["modes"][mode] = running.summary(suite, answers)
            missed[mode] = [
                {"id": one.case.id, "query": one.case.query, "found": one.ranked[:3]}
                for one in answers
                if not set(one.case.expected).intersection(one.ranked[: one.case.k])
            ][:_EXAMPLES]
            if answers and all(one.zero for one in answers if one.ranked) and any(one.ranked for one in answers):
                streams.say(f"{mode}: every score is 0. Is the index whole? `qmd status`")
    if args.json:
        streams.result(json.dumps(found | {"missed": missed}, ensure_ascii=False, indent=2))
    else:
        streams.result(_table(found))
    return 0


def _own(paths: Paths, args: argparse.Namespace) -> Suite:
    from qmd_daemon import offline

    rows, _ = offline.multi_get(paths, f"{args.collection or '*'}/**", index=args.index)
    return cases.made_up(rows)


def _check(paths: Paths, suite: Suite, index: str) -> None:
    """Raise QmdError("not_found") before anything is asked of a collection that is missing or empty."""
    from qmd_daemon import offline

    if not suite.cases:
        raise QmdError("not_found", "There is nothing to ask.", "Index some documents: `qmd collection add PATH`.")
    sizes = {one["name"]: one["documents"] for one in offline.collections(paths, index=index)}
    if suite.collection and not sizes.get(suite.collection):
        what = "is empty" if suite.collection in sizes else "is not there"
        hint = f"Index it: `qmd collection add PATH --name {suite.collection}`, or name another one with -c."
        raise QmdError("not_found", f"The collection {suite.collection!r} {what}.", hint)
    if not any(sizes.values()):
        raise QmdError("not_found", "Nothing is indexed.", "Add a directory: `qmd collection add PATH`.")


class _Search:
    """Searches through the daemon, in one of the modes."""

    def __init__(self, client: SyncClient, collection: str, index: str) -> None:
        self._client = client
        self._collections = [collection] if collection else []
        self._index = index

    def __call__(self, mode: str, query: str, top_k: int) -> dict[str, Any]:
        kinds: dict[str, type[SearchRequest]] = {"bm25": Search, "vector": VSearch, "hybrid": Query, "full": Query}
        request = kinds[mode](
            query=query,
            top_k=top_k,
            collections=self._collections,
            expand=False if mode == "hybrid" else None,
            rerank=False if mode == "hybrid" else None,
            index=self._index,
        )
        return self._client.call_raw(request, timeout_s=daemon.ANSWER_S)


def _table(found: dict[str, Any]) -> str:
    """A line for each mode; the measures are the columns."""
    modes: dict[str, dict[str, Any]] = found["modes"]
    names = [name for name in next(iter(modes.values()), {}) if not name.endswith(("_interval", "ms"))]
    lines = [f"{'':8}" + "".join(f"{name:>13}" for name in names) + f"{'p50 ms':>10}{'p95 ms':>10}  stages (p50 ms)"]
    for mode, row in modes.items():
        stages = ", ".join(f"{name} {ms:.1f}" for name, ms in row["stages_ms"].items())
        line = f"{mode:8}" + "".join(f"{row[name]:>13.3f}" for name in names)
        lines.append(f"{line}{row['ms']['p50']:>10.1f}{row['ms']['p95']:>10.1f}  {stages}")
        if interval := row.get("ndcg@10_interval"):
            lines.append(f"{'':8}{f'{interval[0]:.3f}–{interval[1]:.3f}':>13}  (95 % of ndcg@10)")
    return "\n".join([f"{found['questions']} questions: {found['description']}", *lines])
