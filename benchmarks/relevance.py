"""What relevance means: how often a hit that is given a probability answers the question; and the fit behind it.

    python benchmarks/relevance.py --eval DIR [--home DIR] [--fit]

DIR as for `benchmarks/quality.py`. A set is asked its own questions, in full and as three of their words, and those of
sets on other subjects, which nothing there answers; as a whole, as some sixty documents of it, and as a part of a
mixture of all sets. A real daemon gives ten hits each, with what their relevance was judged by; the judgments say which
answer. Prints, held out one set at a time, the area under the ROC curve, and how often hits of each probability are
relevant; with `--fit` the coefficients for `qmd_daemon/search/calibrate.py` as well.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import random
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from quality import index_directory

from ipc.launch import ensure_daemon
from ipc.paths import Paths
from ipc.protocol import Query, Search, SearchRequest, Shutdown
from ipc.sync import SyncClient
from qmd_daemon.search import calibrate
from qmd_daemon.search.calibrate import Closeness, Evidence
from qmd_daemon.search.syntax import STOP_WORDS
from qmd_tui.bench import judged

# Sets, and those on other subjects, whose questions have no answer there.
ENGLISH = {
    "scifact": ("xquad-en", "anthropic-docs", "libafl-code"),
    "anthropic-docs": ("scifact", "covidqa", "xquad-en"),
    "covidqa": ("anthropic-docs", "xquad-en", "libafl-code"),
    "xquad-en": ("scifact", "anthropic-docs", "libafl-code"),
    "libafl-code": ("scifact", "covidqa", "xquad-en"),
}
SETS = ENGLISH | {"cmrc2018": ("xquad-zh",), "xquad-zh": ("cmrc2018",), "jsquad": ("cmrc2018", "xquad-zh")}
QUESTIONS = 120  # of its own; half as many of others
FEW = 40  # of them asked of small collections, which have these documents and as many others
SMALL = 40
_STEPS = 20
_BINS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


class Pair(NamedTuple):
    """A question and a hit: which set and which variant of it, what is known of the hit, and whether it answers."""

    of: str
    variant: str
    evidence: Evidence
    answers: bool
    first: bool
    own: bool


class Asked(NamedTuple):
    text: str
    relevant: frozenset[str]


def main() -> None:
    options = _options()
    with contextlib.ExitStack() as stack:
        home = options.home or stack.enter_context(tempfile.TemporaryDirectory(prefix="qmd-relevance-"))
        os.environ.update(QMD_HOME=home, QMD_HTTP_PORT="0")
        with SyncClient(ensure_daemon(Paths.from_environment(os.environ)).rpc) as client:
            try:
                near, words = _collect(client, options.eval, home)
            finally:
                client.call(Shutdown())
    english, others = ([pair for pair in words if pair.evidence.pairs is pairs] for pairs in (False, True))
    for title, pairs, features in (
        ("vectors and words", near, calibrate.near),
        ("words", english, calibrate.words),
        ("pairs of characters", others, calibrate.words),
    ):
        print(f"\n## {title}: {len(pairs)} pairs, {sum(pair.answers for pair in pairs)} relevant")
        _judge(pairs, features)
        if options.fit:
            print("coefficients", *np.round(_fit(pairs, features), 2))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eval", required=True, help="the directory of the collections")
    parser.add_argument("--home", help="keep the indexes here, and use those that are")
    parser.add_argument("--fit", action="store_true", help="print the coefficients")
    return parser.parse_args()


# -- asking ------------------------------------------------------------------------------------------


class Questions(NamedTuple):
    """A set's own, those that nothing there answers, and the files of a small collection that answers the first."""

    own: list[Asked]
    foreign: list[Asked]
    few: list[str]


def _questions(root: str, name: str, others: Sequence[str]) -> Questions:
    draw = random.Random(name)
    own = _some(root, name, QUESTIONS, draw)
    foreign = [one for other in others for one in _some(root, other, QUESTIONS // 2 // len(others), draw)]
    answering = {f"{document}.md" for one in own[:FEW] for document in one.relevant}
    files = sorted(os.listdir(os.path.join(root, name, "docs")))
    few = sorted(answering.union(draw.sample(files, min(SMALL, len(files)))))
    return Questions(own, [one._replace(relevant=frozenset()) for one in foreign], few)


def _some(root: str, name: str, count: int, draw: random.Random) -> list[Asked]:
    found = judged.read(os.path.join(root, name))
    return [Asked(one.text, frozenset(one.relevant)) for one in draw.sample(found, min(count, len(found)))]


def _collect(client: SyncClient, root: str, home: str) -> tuple[list[Pair], list[Pair]]:
    """The pairs of hybrid searches, and those of searches for words."""
    near: list[Pair] = []
    words: list[Pair] = []
    asked = {name: _questions(root, name, others) for name, others in SETS.items()}
    mixture = {f"{name}-{file}": os.path.join(root, name, "docs", file) for name in ENGLISH for file in asked[name].few}
    index_directory(client, _linked(home, "mixed", mixture), "mixed")
    for name, (own, foreign, few) in asked.items():
        whole = os.path.join(root, name, "docs")
        index_directory(client, whole, f"{name}-whole")
        small = _linked(home, name, {file: os.path.join(whole, file) for file in few})
        index_directory(client, small, f"{name}-small")
        for index, variant, questions in (
            (f"{name}-whole", "whole", [*own, *foreign]),
            (f"{name}-small", "small", [*own[:FEW], *foreign[: FEW // 2]]),
            ("mixed", "mixed", own[:FEW] if name in ENGLISH else []),
        ):
            draw = random.Random(index)
            texts = [(text, one) for one in questions for text in (one.text, _keywords(one.text, draw)) if text]
            for text, one in texts:
                words += _hits(client, Search(index=index, query=text, explain=True), one, name, variant)
                if name in ENGLISH:
                    near += _hits(client, Query(index=index, query=text, explain=True), one, name, variant)
    return near, words


def _hits(client: SyncClient, request: SearchRequest, asked: Asked, name: str, variant: str) -> Iterator[Pair]:
    for rank, hit in enumerate(client.call(request).results):
        explain = hit.explain
        if explain is None or explain.coverage is None:
            continue
        closeness = None
        if explain.cosine is not None and explain.usual_cosine is not None and explain.spread is not None:
            closeness = Closeness(explain.cosine, explain.usual_cosine, explain.spread)
        document = hit.path.removesuffix(".md").removeprefix(f"{name}-" if variant == "mixed" else "")
        score = next((part.score for part in explain.contributions if part.list == "lexical"), 0.0)
        evidence = Evidence(score, explain.coverage, name not in ENGLISH, closeness=closeness)
        yield Pair(name, variant, evidence, document in asked.relevant, not rank, bool(asked.relevant))


def _keywords(text: str, draw: random.Random) -> str:
    """Three of a question's words, or a few of its characters, as one types them who is in a hurry. Empty if short."""
    runs = [run for run in re.findall("[\u3040-\u9fff]+", text) if len(run) > 6]
    if runs:
        run, length = draw.choice(runs), draw.randint(2, 6)
        start = draw.randint(0, len(run) - length)
        return run[start : start + length]
    words = [word for word in re.findall(r"[A-Za-z][\w'-]{3,}", text) if word.lower() not in STOP_WORDS]
    return " ".join(draw.sample(words, 3)) if len(words) > 4 else ""


def _linked(home: str, name: str, files: dict[str, str]) -> str:
    """A directory with links to these files."""
    directory = Path(home) / "sets" / name
    directory.mkdir(parents=True, exist_ok=True)
    for file, path in files.items():
        with contextlib.suppress(FileExistsError):
            os.link(path, directory / file)
    return str(directory)


# -- judging -----------------------------------------------------------------------------------------

Features = Callable[[Evidence], Sequence[float]]


def _judge(pairs: Sequence[Pair], features: Features) -> None:
    """Each set by what was fitted on the others."""
    held_out: list[tuple[Pair, float]] = []
    for name in dict.fromkeys(pair.of for pair in pairs):
        fit = _fit([pair for pair in pairs if pair.of != name], features)
        mine = [pair for pair in pairs if pair.of == name]
        given = [(one, calibrate.probability(fit, features(one.evidence))) for one in mine]
        for variant in dict.fromkeys(pair.variant for pair in mine):
            some = [(one, p) for one, p in given if one.variant == variant]
            print(f"{name:15} {variant:6} area {_area(some):.3f}   {_reliability(some)}")
        held_out += given
    print(f"{'all':22} area {_area(held_out):.3f}   {_reliability(held_out)}")
    best = [(one, p) for one, p in held_out if one.first]
    for answered in (True, False):
        below = [p < calibrate.NOTHING for one, p in best if one.own is answered]
        print(
            f"best hit below {calibrate.NOTHING}, questions with{'' if answered else 'out'} an answer: "
            f"{np.mean(below):.2f}"
        )


def _area(given: Sequence[tuple[Pair, float]]) -> float:
    """Under the ROC curve: how often a relevant hit is given more than another one."""
    yes = np.array([p for one, p in given if one.answers])
    no = np.array([p for one, p in given if not one.answers])
    return float(np.mean((yes[:, None] > no) + (yes[:, None] == no) / 2)) if len(yes) and len(no) else float("nan")


def _reliability(given: Sequence[tuple[Pair, float]]) -> str:
    """For each range of probabilities, the share that is relevant, and of how many."""
    told = []
    for low, high in itertools.pairwise(_BINS):
        some = [one.answers for one, p in given if low <= p < high or p == high == 1]
        if some:
            told.append(f"{low:g}-{high:g}: {np.mean(some):.2f} of {len(some)}")
    return "  ".join(told)


def _fit(pairs: Sequence[Pair], features: Features) -> list[float]:
    """Logistic regression by Newton's method, with a ridge that only steadies it; a constant comes first.

    Each set and variant has the same weight, whatever it was asked.
    """
    size = Counter((pair.of, pair.variant) for pair in pairs)
    weight = np.array([len(pairs) / len(size) / size[pair.of, pair.variant] for pair in pairs])
    x = np.array([(1.0, *features(pair.evidence)) for pair in pairs])
    y = np.array([float(pair.answers) for pair in pairs])
    found = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-x @ found))
        slope = x.T @ (weight * (y - p)) - found
        bend = (x * (weight * p * (1 - p))[:, None]).T @ x + np.eye(len(found))
        found += np.linalg.solve(bend, slope)
    return [float(one) for one in found]


if __name__ == "__main__":
    main()
