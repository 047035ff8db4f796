"""How long a search takes over 100,000 chunks: a whole `qmd search`, and each search in a warm daemon.

    python benchmarks/latency.py --eval DIR [--home DIR] [--documents 13200]

The corpus is made of sentences of the collections in DIR (`*/docs/*.md`), in English and Chinese, shuffled with a fixed
seed: documents of about 4,400 characters, seven or eight chunks each. The vectors are those of the fake engine (hashed
words, 384 dimensions), so that what is measured is the index and not a model; what embedding takes is told apart.
With --home the index is kept, and used again. Questions are the sets' own.

For the budgets the engine takes 5 ms for each text, so that reranking 40 passages takes 200: what does not fit has to
be left out, and the answer to come within the budget and a tenth of it, 95 times in 100.
"""

from __future__ import annotations

import argparse
import glob
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing

import numpy as np

from ipc.launch import ensure_daemon
from ipc.paths import Paths
from ipc.protocol import CollectionAdd, Embed, JobGet, Query, Search, Shutdown, Status, VSearch
from ipc.sync import SyncClient
from qmd_daemon.search import syntax
from qmd_daemon.store import chunks, generations, segment
from qmd_daemon.store.database import Database
from qmd_daemon.store.neighbours import NeighboursKind
from qmd_tui.bench import judged, metrics

INDEX = "latency"
DOCUMENT_CHARACTERS = 4400
_SENTENCE = re.compile(r"[^.!?。！？\n]{20,}[.!?。！？]")
_ROUNDS = 200
_PROCESSES = 40
_BUDGETS_MS = 1000, 300, 100, 50
_RECALL_QUESTIONS = 200


def main() -> None:
    options = _options()
    with ExitStack() as stack:
        home = options.home or stack.enter_context(tempfile.TemporaryDirectory(prefix="qmd-latency-"))
        os.environ.update(QMD_HOME=home, QMD_HTTP_PORT="0", QMD_ENGINE="fake")
        paths = Paths.from_environment(os.environ)
        questions = _questions(options.eval)
        with SyncClient(ensure_daemon(paths).rpc) as client:
            try:
                _index(client, options, os.path.join(home, "corpus"))
                _daemon(client, questions)
                exact = client.call(Embed(texts=questions["English, ten words"][:_RECALL_QUESTIONS], kind="query"))
            finally:
                client.call(Shutdown())
        _budgets(paths, questions["English, ten words"])
        _processes(questions)
        _recall(paths, np.array(exact.embeddings, np.float32))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eval", required=True, help="the directory of the collections")
    parser.add_argument("--home", help="keep the index here, and use the one that is")
    parser.add_argument("--documents", type=int, default=13_200)
    return parser.parse_args()


def _questions(root: str) -> dict[str, list[str]]:
    """Questions as people ask them, and three words of each."""
    english = [one.text for name in ("scifact", "covidqa", "xquad-en") for one in judged.read(f"{root}/{name}")]
    chinese = [one.text for name in ("cmrc2018", "xquad-zh") for one in judged.read(f"{root}/{name}")]
    long = [text for text in english if 9 <= len(text.split()) <= 12]
    terms = []
    for text in long:
        words = [token for _, token in segment.tokens(text) if segment.fold(token) not in syntax.STOP_WORDS]
        terms.append(" ".join(sorted(words, key=len)[-3:]))
    random.Random(1).shuffle(chinese)
    runs = [re.findall(r"[\u4e00-\u9fff]{2,}", text) for text in chinese]
    return {
        "English, three words": terms,
        "English, ten words": long,
        "Chinese, three words": [" ".join(run[:4] for run in some[:3]) for some in runs if len(some) > 2],
        "Chinese, a question": [text for text in chinese if 15 <= len(text) <= 30],
    }


def _index(client: SyncClient, options: argparse.Namespace, corpus: str) -> None:
    if not os.path.isdir(corpus):
        _write(options.eval, corpus, options.documents)
        started = time.perf_counter()
        job = client.call(CollectionAdd(index=INDEX, path=corpus, name="corpus", mask="**/*.md")).job
        for progress in client.stream(JobGet(job=job.id, stream=True), timeout_s=3600):
            job = progress.job
        print(f"indexed in {time.perf_counter() - started:.0f} s: {job.state}, {job.counts}")
    status = client.call(Status(index=INDEX)).index
    print(f"{status.documents} documents, {status.chunks} chunks, {status.size_bytes / 1e6:.0f} MB")


def _write(root: str, corpus: str, documents: int) -> None:
    """One document in five is Chinese."""
    draw = random.Random(0)
    pools = []
    for names in (("scifact", "covidqa", "anthropic-docs", "chunkeval"), ("cmrc2018", "xquad-zh")):
        files = [file for name in names for file in sorted(glob.glob(f"{root}/{name}/docs/*.md"))]
        pools.append([one for file in files for one in _SENTENCE.findall(_text(file))])
    for number in range(documents):
        chinese = number % 5 == 4
        pool, size = pools[chinese], DOCUMENT_CHARACTERS
        text = f"# {draw.choice(pool).strip()[:60]}\n\n"
        while len(text) < size:
            text += draw.choice(pool).strip() + ("" if chinese else " ")
            if draw.random() < 0.15:
                text += "\n\n"
        path = os.path.join(corpus, f"{number // 1000:03}", f"{number:06}.md")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _daemon(client: SyncClient, questions: dict[str, list[str]]) -> None:
    """The stages as the daemon measures them, and whole answers as a client does."""
    embedding = _times(lambda text: client.call(Embed(texts=[text], kind="query")), questions["English, ten words"])
    print(f"{'embedding a query, fake':44}{_show(embedding)}")
    for kind in (Search, VSearch, Query):
        for name, texts in questions.items():
            stages: list[float] = []

            def ask(text: str, kind: type[Search] = kind, stages: list[float] = stages) -> None:
                reply = client.call(kind(index=INDEX, query=text, top_k=10))
                stages.append(sum(stage.ms for stage in reply.stages if stage.ran))

            whole = _times(ask, texts)
            op = kind.__struct_config__.tag
            print(f"{f'{op}: {name}':44}{_show(whole)}  stages {_show(stages[-len(whole) :])}")


def _budgets(paths: Paths, questions: Sequence[str]) -> None:
    """Whole answers as a client gets them, under budgets that reranking all candidates does not fit into."""
    os.environ["QMD_FAKE_DELAY_MS"] = "5"
    with SyncClient(ensure_daemon(paths).rpc) as client:
        try:
            for number, budget in enumerate(_BUDGETS_MS):
                fresh = questions[number :: len(_BUDGETS_MS)]  # what was judged once is remembered
                ran = dict.fromkeys(("vector", "rerank"), 0)

                def ask(text: str, budget: int = budget, ran: dict[str, int] = ran) -> None:
                    request = Query(index=INDEX, query=text, rerank=True, expand=False, budget_ms=budget)
                    for stage in client.call(request).stages:
                        if stage.ran and stage.name in ran:
                            ran[stage.name] += 1

                whole = _times(ask, fresh, len(fresh) - 10)
                over = metrics.percentile(whole, 0.95) / budget
                times = ", ".join(f"{name} ran {count} times" for name, count in ran.items())
                print(f"{f'query within {budget} ms':44}{_show(whole)}  p95 is {over:.2f} of it; {times}")
        finally:
            client.call(Shutdown())
            del os.environ["QMD_FAKE_DELAY_MS"]


def _processes(questions: dict[str, list[str]]) -> None:
    """Whole processes, in turn, so that what else the machine does hits both alike."""
    empty, searching = [], []
    texts = [text for some in questions.values() for text in some[: _PROCESSES // 4]]
    for text in texts[:_PROCESSES]:
        empty.append(_run([sys.executable, "-c", "pass"]))
        searching.append(_run([sys.executable, "-m", "qmd_tui.cli.main", "--index", INDEX, "search", text]))
    print(f"{'python -c pass':44}{_show(empty)}")
    print(f"{'qmd search, whole process':44}{_show(searching)}")
    ratio = metrics.percentile(searching, 0.95) / metrics.percentile(empty, 0.95)
    print(f"p95 to p95: {ratio:.1f} times")


def _recall(paths: Paths, queries: np.ndarray) -> None:
    """Of what searches the vectors, against comparing with each in float32."""
    with closing(Database.open(paths.database(INDEX)).connect()) as connection:
        space = chunks.active(connection)
        if space is None:
            raise SystemExit("nothing is embedded")
        rows = connection.execute("SELECT chunk, vector FROM vectors ORDER BY chunk").fetchall()
        directory = generations.current(os.path.join(paths.index_dir(INDEX), "vectors"))
        seen = generations.read_seen(directory) if directory else None
        if directory is None or seen is None:
            raise SystemExit("nothing is saved of the vectors")
        neighbours = NeighboursKind().open(connection, directory, list(seen.files or ()))
    matrix = np.frombuffer(b"".join(blob for _, blob in rows), "<f2").reshape(len(rows), -1).astype(np.float32)
    keys = np.array([key for key, _ in rows])
    found = []
    for query in queries:
        cosines = matrix @ query
        tenth = np.sort(cosines)[-10] - 1e-3  # equals count as found: float16 does not tell them apart
        near = {key for key, _ in neighbours.search(query, 10, None)}
        found.append(len(near & set(keys[cosines >= tenth].tolist())) / 10)
    print(f"recall@10 over {len(rows)} vectors, {type(neighbours).__name__}: {metrics.mean(found):.4f}")


def _times(work: Callable[[str], object], texts: Sequence[str], rounds: int = _ROUNDS) -> list[float]:
    """Milliseconds for each of some questions, all different, after a few to warm up."""
    chosen = (list(texts) * rounds)[: rounds + 10]
    found = []
    for text in chosen:
        started = time.perf_counter()
        work(text)
        found.append((time.perf_counter() - started) * 1000)
    return found[10:]


def _run(argv: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return (time.perf_counter() - started) * 1000


def _show(ms: Sequence[float]) -> str:
    return f"p50 {metrics.percentile(ms, 0.5):7.1f} ms   p95 {metrics.percentile(ms, 0.95):7.1f} ms"


if __name__ == "__main__":
    main()
