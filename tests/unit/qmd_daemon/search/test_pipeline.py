"""Whole searches over a real index, with models whose answers the test knows."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import EngineStatus, Query, Search, SearchReply, VSearch
from qmd_daemon.engine.model import Line, LineKind, ModelInfo, Priority, Role, Score
from qmd_daemon.ingest.front_matter import metadata
from qmd_daemon.search.pipeline import Searcher
from qmd_daemon.store import chunks, intake
from qmd_daemon.store.chunks import Span
from qmd_daemon.store.index import Index, Indexes
from tests.unit.qmd_daemon.store.library import add_collection, digest

DIMENSION = 64
LONG_MS = 10_000  # a pause that no test sits out
WRITTEN_NS = 1_250_000_000
TEXTS = {
    ("notes", "batches.md"): "---\ntags: gpu\n---\n# Batches\n\nBatches are cut by tokens, sorted by length.",
    (
        "notes",
        "memory.md",
    ): "---\ntags: [gpu, memory]\n---\n# Memory\n\nThe video memory of the card is kept under a ceiling.",
    ("notes", "watch.md"): "# Watching\n\nThe watcher feeds the index when files change.",
    ("notes", "显存.md"): "# 显存\n\n显存监控与上限。",
    ("code", "batcher.py"): "class Batcher:\n    max_tokens = 100\n",
    ("code", "index.py"): "def index(files):\n    return files\n",
}


def embed(text: str) -> NDArray[np.float32]:
    """The words of a text, each in a place of its own."""
    vector = np.full(DIMENSION, 0.01, np.float32)
    for word in re.findall(r"\w+", text.lower()):
        vector[int(digest(word)[:8], 16) % DIMENSION] += 1
    return vector / np.linalg.norm(vector)


class Engine:
    """Embeds at once, unless it is told to be slow."""

    def __init__(self) -> None:
        self.info: ModelInfo | None = ModelInfo("all-MiniLM-L6-v2", "m1", DIMENSION, 256, None, ("en",))
        self.former: ModelInfo | None = None
        self.by: list[str] = []  # who was asked
        self.delay_s = 0.0
        self.asked: list[list[str]] = []
        self.cancelled = 0
        self.busy = asyncio.Event()

    def model(self, role: Role = "embedding") -> ModelInfo | None:
        return self.info if role == "embedding" else None

    def maker(self, name: str, fingerprint: str) -> ModelInfo | None:
        known = [info for info in (self.info, self.former) if info and info.fingerprint == fingerprint]
        return known[0] if known else None

    def status(self) -> EngineStatus:
        return EngineStatus(state="no_model", engine="test", reason="No model.", hint="Get one.")

    async def embed(self, texts: Sequence[str], *, model: ModelInfo | None = None, **_: Any) -> NDArray[np.float32]:
        self.asked.append(list(texts))
        self.by.append(model.name if model else "")
        self.busy.set()
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return np.stack([embed(text) for text in texts])


class Judge:
    """Likes what has a word."""

    name = "judge"

    def __init__(self, word: str, *, unasked: bool = True) -> None:
        self.word = word
        self.unasked = unasked
        self.read: list[str] = []
        self.error: QmdError | None = None

    async def rerank(
        self, query: str, documents: Sequence[str], *, priority: Priority, deadline_s: float | None
    ) -> Sequence[Score]:
        if self.error:
            raise self.error
        self.read += documents
        return [Score(0.95 if self.word in document else 0.05, 0.0) for document in documents]


class Rewriter:
    name = "rewriter"

    def __init__(self, *lines: tuple[LineKind, str]) -> None:
        self.lines = [Line(*line) for line in lines]
        self.asked: list[str] = []

    async def expand(self, query: str, *, priority: Priority, deadline_s: float | None) -> Sequence[Line]:
        self.asked.append(query)
        return self.lines


class Bench:
    """An index with TEXTS, and what searches it."""

    def __init__(self, indexes: Indexes) -> None:
        self.indexes = indexes
        self.engine = Engine()

    def searcher(self, judge: Judge | None = None, rewriter: Rewriter | None = None) -> Searcher:
        return Searcher(self.indexes, self.engine, judge, rewriter)  # type: ignore[arg-type]


async def fill(index: Index) -> None:
    def write(connection: Any) -> None:
        for name in ("notes", "code"):
            add_collection(connection, name)
        space = chunks.prepare(connection, "m1+cut", "all-MiniLM-L6-v2", DIMENSION)
        chunks.activate(connection, space.id)
        for (collection, path), text in TEXTS.items():
            title = path.partition(".")[0]
            intake.put(
                connection,
                intake.File(collection, path, title, digest(text), text, len(text), WRITTEN_NS, 1, metadata(text)),
            )
            vector = embed(text).astype("<f2").tobytes()
            chunks.put(connection, space.id, digest(text), [Span(0, len(text), 1)], [vector])

    await index.database.write(write)
    await index.catch_up()


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> AsyncIterator[Bench]:
    indexes = Indexes(Paths.from_environment({"QMD_HOME": str(tmp_path), "HOME": str(tmp_path)}), lambda *_: None)
    await fill(await indexes.get("index"))
    yield Bench(indexes)
    await indexes.close()


def paths(reply: SearchReply) -> list[str]:
    return [hit.path for hit in reply.results]


def ran(reply: SearchReply) -> dict[str, str]:
    """The stages: `ran`, or why not."""
    return {stage.name: "ran" if stage.ran else stage.reason for stage in reply.stages}


class TestStages:
    async def test_a_query_without_other_models_fuses_words_and_vectors(self, bench: Bench) -> None:
        reply = await bench.searcher().search(Query(query="how are batches cut", explain=True))
        assert paths(reply)[0] == "batches.md"
        assert reply.stage == "fused"
        assert ran(reply) == {
            "lexical": "ran", "vector": "ran", "fusion": "ran", "expand": "no model", "rerank": "no model",
        }  # fmt: skip
        first = reply.results[0]
        assert first.explain is not None
        assert first.score == pytest.approx(sum(part.share for part in first.explain.contributions), abs=1e-4)

    async def test_a_hit_says_when_its_file_was_written(self, bench: Bench) -> None:
        for request in (Search(query="batches"), VSearch(query="batches"), Query(query="batches")):
            reply = await bench.searcher().search(request)
            assert {hit.modified_at for hit in reply.results} == {1.25}

    async def test_every_stage_is_sent_as_it_is_done(self, bench: Bench) -> None:
        earlier: list[SearchReply] = []

        async def emit(reply: SearchReply) -> None:
            earlier.append(reply)

        last = await bench.searcher(Judge("video")).search(Query(query="memory batches", stream=True), emit)
        assert [reply.stage for reply in (*earlier, last)] == ["lexical", "fused", "reranked"]
        assert [reply.done for reply in (*earlier, last)] == [False, False, True]

    async def test_the_reranker_moves_up_what_answers_and_its_word_is_the_relevance(self, bench: Bench) -> None:
        reply = await bench.searcher(Judge("video")).search(Query(query="cut batches of memory", explain=True))
        assert paths(reply)[0] == "memory.md"
        first = reply.results[0]
        assert first.relevance == 0.95
        assert first.explain is not None
        assert first.explain.rerank == 0.95

    async def test_a_query_that_names_something_is_not_reranked(self, bench: Bench) -> None:
        judge = Judge("video")
        reply = await bench.searcher(judge).search(Query(query="max_tokens"))
        assert (ran(reply)["rerank"], judge.read) == ("the query names something", [])
        assert paths(reply)[0] == "batcher.py"

    async def test_a_reranker_that_takes_long_waits_until_it_is_asked_for(self, bench: Bench) -> None:
        searcher = bench.searcher(Judge("video", unasked=False))
        reply = await searcher.search(Query(query="batches of memory"))
        assert (reply.stage, ran(reply)["rerank"]) == ("fused", "not asked for")
        assert (await searcher.search(Query(query="batches of memory", rerank=True))).stage == "reranked"

    async def test_stages_can_be_declined(self, bench: Bench) -> None:
        judge, rewriter = Judge("video"), Rewriter(("lex", "batches video"))
        reply = await bench.searcher(judge, rewriter).search(
            Query(query="batches of memory", rerank=False, expand=False)
        )
        assert (judge.read, rewriter.asked, reply.stage) == ([], [], "fused")
        assert not {"rerank", "expand"} & set(ran(reply))

    async def test_only_the_candidates_are_judged(self, bench: Bench) -> None:
        judge = Judge("video")
        await bench.searcher(judge).search(Query(query="the index of batches and memory", candidates=2, top_k=1))
        assert len(judge.read) == 2

    async def test_a_reranker_that_fails_costs_its_stage_only(self, bench: Bench) -> None:
        judge = Judge("video")
        judge.error = QmdError("unavailable", "The worker died.", "Try again.")
        reply = await bench.searcher(judge).search(Query(query="batches of memory"))
        assert (reply.stage, ran(reply)["rerank"]) == ("fused", "The worker died.")
        assert any("worker died" in note for note in reply.notes)

    async def test_another_wording_finds_what_the_query_does_not_say(self, bench: Bench) -> None:
        rewriter = Rewriter(("lex", "watcher batches"), ("vec", "batches when files change"))
        reply = await bench.searcher(rewriter=rewriter).search(Query(query="batches", expand=True, explain=True))
        assert "watch.md" in paths(reply)
        assert ran(reply)["expand"] == "ran"
        assert rewriter.asked == ["batches"]

    async def test_a_clear_hit_is_not_reworded(self, bench: Bench) -> None:
        rewriter = Rewriter(("lex", "watcher"))
        reply = await bench.searcher(rewriter=rewriter).search(Query(query="watcher feeds"))
        assert ran(reply)["expand"] == "the words found it"

    async def test_a_language_that_the_model_does_not_know_is_answered_by_words(self, bench: Bench) -> None:
        reply = await bench.searcher().search(Query(query="显存监控"))
        assert paths(reply) == ["显存.md"]
        assert (reply.stage, ran(reply)["vector"]) == ("lexical", "all-MiniLM-L6-v2 does not know this language")

    async def test_vectors_are_searched_with_the_model_that_made_them(self, bench: Bench) -> None:
        bench.engine.info, bench.engine.former = (
            ModelInfo("new", "m2", 2 * DIMENSION, 256, None, ("en",)),
            bench.engine.info,
        )
        reply = await bench.searcher().search(VSearch(query="restart the server"), None, Priority.INTERACTIVE)
        assert reply.results
        assert bench.engine.by == ["all-MiniLM-L6-v2"]
        assert all(hit.relevance is not None for hit in reply.results)  # as the model that made the vectors is known
        bench.engine.former = None
        reply = await bench.searcher().search(VSearch(query="restart the server"), None, Priority.INTERACTIVE)
        assert reply.results == []
        assert reply.notes == ["The vectors are of another model, all-MiniLM-L6-v2: run `qmd embed`."]

    async def test_without_a_model_words_answer_and_the_person_is_told(self, bench: Bench) -> None:
        bench.engine.info = None
        reply = await bench.searcher().search(Query(query="batches"))
        assert reply.stage == "lexical"
        assert any("Get one." in note for note in reply.notes)


class TestBudget:
    async def test_what_takes_too_long_is_left_out_named_and_not_tried_again(self, bench: Bench) -> None:
        bench.engine.delay_s = 30.0
        searcher = bench.searcher()
        first = await searcher.search(Query(query="batches", budget_ms=150))
        assert (first.stage, ran(first)["vector"]) == ("lexical", "over the budget of 150 ms")
        assert any("over the budget" in note for note in first.notes)
        second = await searcher.search(Query(query="memory", budget_ms=100))
        assert ran(second)["vector"] == "over the budget of 100 ms"
        assert len(bench.engine.asked) == 1

    async def test_a_cancelled_search_stops_its_stages(self, bench: Bench) -> None:
        bench.engine.delay_s = 30.0
        async with asyncio.timeout(5):
            async with asyncio.TaskGroup() as group:
                task = group.create_task(bench.searcher().search(Query(query="batches")))
                await bench.engine.busy.wait()
                task.cancel()
        assert bench.engine.cancelled == 1


class TestFilters:
    @pytest.mark.parametrize("kind", [Search, VSearch, Query])
    async def test_every_search_keeps_to_them(self, bench: Bench, kind: type[Search]) -> None:
        async def found(**asked: Any) -> set[str]:
            return set(paths(await bench.searcher().search(kind(query="batches memory index files", **asked))))

        assert await found(where=["tags=gpu"]) == {"batches.md", "memory.md"}
        assert await found(types=["py"]) <= {"batcher.py", "index.py"}
        assert await found(paths=["mem*"]) == {"memory.md"}
        assert await found(collections=["code"]) <= {"batcher.py", "index.py"}
        assert await found(after="2000") == set()

    async def test_a_filter_that_makes_no_sense_is_refused(self, bench: Bench) -> None:
        with pytest.raises(QmdError, match="no date"):
            await bench.searcher().search(Search(query="x", after="soon"))


class TestRelevance:
    async def test_hits_say_how_likely_they_answer(self, bench: Bench) -> None:
        for kind in (Query, VSearch):
            reply = await bench.searcher().search(kind(query="batches are cut by tokens sorted by length"))
            relevances = [hit.relevance for hit in reply.results]
            assert all(one is not None for one in relevances)
            assert relevances[0] == max(one for one in relevances if one is not None)

    async def test_nothing_relevant_is_said_and_can_be_left_out(self, bench: Bench) -> None:
        reply = await bench.searcher().search(Query(query="zeppelin submarine files"))
        assert "Nothing here seems relevant." in reply.notes
        assert not (await bench.searcher().search(Query(query="zeppelin submarine files", min_relevance=0.5))).results

    async def test_words_alone_say_it_too(self, bench: Bench) -> None:
        query = "用什么命令做显存监控"
        (only,) = (await bench.searcher().search(Search(query=query, explain=True))).results
        assert only.relevance is not None
        assert only.explain is not None
        assert 0 < (only.explain.coverage or 0) < 1
        assert only.explain.cosine is None
        assert (await bench.searcher().search(Search(query=query, min_relevance=0.99))).results == []
        reply = await bench.searcher().search(Search(query="潜水艇与飞艇监控的费用和时间表"))
        assert reply.results
        assert reply.notes == ["Nothing here seems relevant."]

    async def test_a_word_that_was_found_says_too_little_to_judge_by(self, bench: Bench) -> None:
        (only,) = (await bench.searcher().search(Search(query="显存"))).results
        assert only.relevance is None

    async def test_where_nobody_says_so_the_person_is_told(self, bench: Bench) -> None:
        reply = await bench.searcher().search(Query(query="lex: batches\nlex: tokens", min_relevance=0.9))
        assert "batches.md" in paths(reply)
        assert any("nobody here can say how relevant" in note for note in reply.notes)


class Heard:
    """The earlier replies of a search, as they come."""

    def __init__(self) -> None:
        self.replies: list[SearchReply] = []
        self.first = asyncio.Event()

    async def emit(self, reply: SearchReply) -> None:
        self.replies.append(reply)
        self.first.set()


class TestPause:
    async def test_the_words_come_at_once_and_no_model_is_asked_before_its_end(self, bench: Bench) -> None:
        heard, query = Heard(), Query(query="batches", pause_ms=LONG_MS)
        async with asyncio.TaskGroup() as tasks:
            searching = tasks.create_task(bench.searcher().search(query, heard.emit))
            await heard.first.wait()
            searching.cancel()
        assert [paths(reply)[0] for reply in heard.replies] == ["batches.md"]
        assert bench.engine.asked == []

    async def test_after_it_the_search_goes_on_from_the_words_it_has(self, bench: Bench) -> None:
        heard = Heard()
        reply = await bench.searcher(Judge("video")).search(Query(query="memory batches", pause_ms=1), heard.emit)
        assert [one.stage for one in (*heard.replies, reply)] == ["lexical", "fused", "reranked"]
        assert [stage.name for stage in reply.stages].count("lexical") == 1

    async def test_meaning_waits_for_it_too(self, bench: Bench) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await bench.searcher().search(VSearch(query="batches", pause_ms=LONG_MS))
        assert bench.engine.asked == []

    async def test_what_asks_no_model_does_not_wait(self, bench: Bench) -> None:
        async with asyncio.timeout(LONG_MS / 1000 / 2):
            assert paths(await bench.searcher().search(Search(query="batches", pause_ms=LONG_MS)))

    async def test_the_first_look_is_a_page_and_the_answer_is_all_that_was_asked_for(self, bench: Bench) -> None:
        def write(connection: Any) -> None:
            for number in range(20):
                text = f"Sailing, part {number}"
                intake.put(
                    connection,
                    intake.File("notes", f"{number}.md", text, digest(text), text, len(text), WRITTEN_NS, 1, {}),
                )

        index = await bench.indexes.get("index")
        await index.database.write(write)
        await index.catch_up()
        heard = Heard()
        reply = await bench.searcher().search(Query(query="sailing", top_k=20, pause_ms=1), heard.emit)
        assert (len(heard.replies[0].results), len(reply.results)) == (12, 20)
