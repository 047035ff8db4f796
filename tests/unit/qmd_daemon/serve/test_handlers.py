"""Each operation against parts that only remember what they were asked; the real ones are in tests/integration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from ipc import codec
from ipc.errors import QmdError
from ipc.protocol import (
    REPLIES,
    Cancel,
    Catalog,
    CatalogReply,
    Cleanup,
    CollectionAdd,
    CollectionChange,
    CollectionInfo,
    CollectionList,
    CollectionRemove,
    CollectionRename,
    ContextAdd,
    ContextRemove,
    Done,
    Embed,
    EmbedIndex,
    EmbedReply,
    EngineStatus,
    Expand,
    ExpandReply,
    GpuSample,
    IndexStatus,
    Job,
    JobCancel,
    JobGet,
    JobList,
    JobReply,
    ModelsLoad,
    ModelStatus,
    ModelsUnload,
    ModelsUse,
    Ping,
    PlaceReply,
    Ps,
    PsReply,
    Pull,
    Query,
    Reply,
    Request,
    Rerank,
    RerankReply,
    Search,
    SearchReply,
    Shutdown,
    Status,
    StatusReply,
    Update,
    VSearch,
)
from qmd_daemon.engine.model import Line, ModelInfo, Priority, Role, Score
from qmd_daemon.serve.feed import Feed
from qmd_daemon.serve.handlers import Handlers
from qmd_daemon.serve.lifecycle import Lifecycle

INDEX = IndexStatus(name="index", path="/i", documents=3)
FOUND = SearchReply(results=[], stage="fused")


def job(state: Any = "queued") -> Job:
    return Job(id="j1", kind="update", index="index", state=state)


class Parts:
    """Stands for every part below the handlers."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.database = self

    # Indexes and Index
    async def get(self, name: str) -> Any:
        self.asked.append(("index", name))
        return self

    async def status(self, collections: list[str]) -> IndexStatus:
        self.asked.append(("collections", *collections))
        return INDEX

    # Searcher
    async def search(self, request: Any, emit: Any, priority: Priority) -> SearchReply:
        self.asked.append(("search", type(request), emit is not None, priority))
        return FOUND

    # Puller
    def check(self, names: list[str]) -> list[str]:
        self.asked.append(("check", *names))
        return names

    # Chooser
    async def use(self, request: ModelsUse) -> None:
        self.asked.append(("use", request.role, request.name))

    # Collections
    async def add(self, *arguments: str) -> str:
        self.asked.append(("add", *arguments))
        return "notes"

    async def list(self, index: str) -> list[CollectionInfo]:
        return [CollectionInfo(name="notes", path="/n", pattern="**/*.md")]

    async def remove(self, *arguments: str) -> None:
        self.asked.append(("remove", *arguments))

    async def rename(self, *arguments: str) -> None:
        self.asked.append(("rename", *arguments))

    async def catalog(self) -> CatalogReply:
        return CatalogReply(models=[], profile="cpu")

    async def change(self, *arguments: Any) -> None:
        self.asked.append(("change", *arguments))

    async def set_context(self, index: str, place: str, text: str) -> str:
        self.asked.append(("context", index, place, text))
        return place


class FakeEngine:
    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    worker_pid = 7
    used_bytes = 100

    def model(self, role: Role = "embedding") -> ModelInfo:
        return ModelInfo(f"fake-{role}", "f", 2, 256, None)

    def models(self) -> list[ModelStatus]:
        states = {"embedding": "ready", "reranker": "off", "expansion": "missing"}
        return [ModelStatus(role=role, name="m", state=state) for role, state in states.items()]  # type: ignore[arg-type]

    async def load(self, role: Role, **options: Any) -> None:
        self.asked.append({"load": role, **options})

    async def unload(self, role: Role) -> None:
        self.asked.append({"unload": role})

    async def rerank(self, query: str, documents: list[str], **options: Any) -> list[Score]:
        self.asked.append(options)
        # Both of the last two are certain: only the raw numbers tell them apart.
        return [Score(0.25, -1.0), Score(1.0, 40.0), Score(1.0, 50.0)][: len(documents)]

    async def expand(self, query: str, **options: Any) -> list[Line]:
        self.asked.append(options)
        return [Line(kind, query) for kind in options["kinds"]]

    def status(self) -> EngineStatus:
        return EngineStatus(state="off", engine="fake")

    async def embed(self, texts: list[str], **options: Any) -> Any:
        self.asked.append(options)
        return np.array([[1.0, -0.5]] * len(texts), np.float32).reshape(len(texts), 2)


class FakeJobs:
    def __init__(self) -> None:
        self.started: list[tuple[Any, ...]] = []

    def start(self, kind: str, index: str, **options: Any) -> Job:
        self.started.append((kind, index, options))
        return job()

    def get(self, job_id: str) -> Job:
        return job("running")

    def list(self) -> list[Job]:
        return [job()]

    def cancel(self, job_id: str) -> Job:
        return job("cancelled")

    async def watch(self, job_id: str) -> AsyncIterator[Job]:
        for state in ("queued", "running", "done"):
            yield job(state)


class House:
    def __init__(self) -> None:
        self.parts, self.engine, self.jobs = Parts(), FakeEngine(), FakeJobs()
        parts: Any = self.parts
        engine: Any = self.engine
        jobs: Any = self.jobs
        self.handlers = Handlers(
            lifecycle=Lifecycle("1.2.3"),
            indexes=parts,
            engine=engine,
            chooser=parts,
            jobs=jobs,
            collections=parts,
            searcher=parts,
            puller=parts,
            stock=parts,
            feed=Feed(),
            gpu=lambda: GpuSample(at=1.0),
        )
        self.emitted: list[Reply] = []

    async def ask(self, request: Any) -> Any:
        return (await self.handlers.handle(request, self._emit)).reply

    async def _emit(self, reply: Reply) -> None:
        self.emitted.append(reply)


@pytest.fixture
async def house() -> House:
    return House()


@pytest.mark.parametrize(
    "request_",
    [
        Search(query="a"),
        Embed(texts=["a"]),
        Rerank(query="q", documents=["a"]),
        Expand(query="q"),
        Ps(),
        Catalog(),
        ModelsLoad(),
        ModelsUnload(),
        ModelsUse(role="reranker", name="m"),
        Status(),
        CollectionAdd(path="/n"),
        CollectionList(),
        CollectionRemove(name="n"),
        Update(),
        EmbedIndex(),
        JobGet(job="j1"),
        JobList(),
        JobCancel(job="j1"),
    ],
    ids=lambda request: str(type(request).__struct_config__.tag),
)
async def test_every_operation_gives_the_reply_that_the_protocol_promises(house: House, request_: Request) -> None:
    reply = await house.ask(request_)
    assert type(reply) is REPLIES[type(request_)]
    body = codec.encode(reply)
    assert codec.decode_reply(codec.decode_head(body), body, type(reply)) == reply


@pytest.mark.parametrize("request_", [Ping(), Shutdown(), Cancel(target="1")])
async def test_what_the_transports_answer_themselves_does_not_come_here(house: House, request_: Request) -> None:
    with pytest.raises(QmdError) as caught:
        await house.ask(request_)
    assert caught.value.code == "unknown_op"


@pytest.mark.parametrize("kind", [Search, VSearch, Query])
async def test_searches(house: House, kind: type[Search]) -> None:
    assert await house.ask(kind(query="a", client="agent")) == FOUND
    assert await house.ask(kind(query="a", stream=True)) == FOUND
    assert house.parts.asked == [
        ("search", kind, False, Priority.AGENT),
        ("search", kind, True, Priority.INTERACTIVE),
    ]


class TestEmbed:
    async def test_as_json(self, house: House) -> None:
        reply = await house.ask(Embed(texts=["a", "b"], client="bulk", kind="query", deadline_s=3))
        assert reply == EmbedReply(embeddings=[[1.0, -0.5]] * 2, count=2, dimension=2, model="fake-embedding")
        assert house.engine.asked == [
            {"kind": "query", "priority": Priority.INDEXING, "deadline_s": 3, "keep_alive": None}
        ]

    async def test_as_binary(self, house: House) -> None:
        answer = await house.handlers.handle(Embed(texts=["a"], encoding="f32"), house._emit)
        assert answer.reply == EmbedReply(count=1, dimension=2, model="fake-embedding", encoding="f32")
        assert memoryview(answer.binary).cast("f").tolist() == [1.0, -0.5]

    async def test_no_texts(self, house: House) -> None:
        assert (await house.ask(Embed(texts=[]))).embeddings == []

    async def test_a_thousand_texts_and_no_more(self, house: House) -> None:
        assert (await house.ask(Embed(texts=["a"] * 1000))).count == 1000
        with pytest.raises(QmdError) as caught:
            await house.ask(Embed(texts=["a"] * 1001))
        assert caught.value.code == "too_large"


async def test_rerank_sorts_by_what_tells_the_good_ones_apart(house: House) -> None:
    request = Rerank(query="q", documents=["a", "b", "c"], client="agent", keep_alive="5m", deadline_s=3)
    reply = await house.ask(request)
    assert isinstance(reply, RerankReply)
    assert [(one.index, one.score) for one in reply.results] == [(2, 1.0), (1, 1.0), (0, 0.25)]
    assert reply.model == "fake-reranker"
    assert house.engine.asked == [{"priority": Priority.AGENT, "deadline_s": 3, "keep_alive": "5m"}]
    best = await house.ask(Rerank(query="q", documents=["a", "b", "c"], top_n=1))
    assert isinstance(best, RerankReply)
    assert [one.index for one in best.results] == [2]


async def test_expand(house: House) -> None:
    reply = await house.ask(Expand(query="q", kinds=["vec", "hyde"]))
    assert isinstance(reply, ExpandReply)
    assert [(line.kind, line.text) for line in reply.lines] == [("vec", "q"), ("hyde", "q")]


@pytest.mark.parametrize(
    ("request_", "asked"),
    [
        (Ps(), []),
        (ModelsLoad(keep_alive=-1), [("embedding", -1), ("reranker", -1)]),
        (ModelsLoad(roles=["expansion"]), [("expansion", None)]),
        (ModelsUnload(roles=["reranker"]), [("reranker", None)]),
        (ModelsUnload(), [("embedding", None), ("reranker", None)]),
    ],
)
async def test_the_models_in_memory(house: House, request_: Request, asked: list[tuple[str, Any]]) -> None:
    reply = await house.ask(request_)
    assert isinstance(reply, PsReply)
    assert (len(reply.models), reply.pid, reply.used_bytes) == (3, 7, 100)
    assert [(one.get("load") or one["unload"], one.get("keep_alive")) for one in house.engine.asked] == asked


async def test_another_model(house: House) -> None:
    assert isinstance(await house.ask(ModelsUse(role="reranker", name="m")), PsReply)
    assert house.parts.asked == [("use", "reranker", "m")]


async def test_status(house: House) -> None:
    reply = await house.ask(Status(index="other", collections=["notes"]))
    assert isinstance(reply, StatusReply)
    assert (reply.version, reply.index, reply.engine.engine) == ("1.2.3", INDEX, "fake")
    assert (reply.jobs, reply.gpu) == ([job()], GpuSample(at=1.0))
    assert house.parts.asked == [("index", "other"), ("collections", "notes")]


class TestCollections:
    async def test_adding_starts_the_job_that_fills_it(self, house: House) -> None:
        assert await house.ask(CollectionAdd(path="/n", name="x", mask="*.md")) == JobReply(job=job())
        assert house.parts.asked == [("add", "index", "/n", "x", "*.md")]
        assert house.jobs.started == [("add", "index", {"collections": ["notes"]})]

    async def test_removing(self, house: House) -> None:
        assert await house.ask(CollectionRemove(name="notes")) == Done()
        assert house.parts.asked == [("remove", "index", "notes")]

    async def test_changing(self, house: House) -> None:
        assert await house.ask(CollectionRename(name="a", new_name="b")) == Done()
        assert await house.ask(CollectionChange(name="b", included=False)) == Done()
        assert house.parts.asked == [("rename", "index", "a", "b"), ("change", "index", "b", False, None, None)]

    async def test_contexts(self, house: House) -> None:
        assert await house.ask(ContextAdd(place="/", text="x", index="work")) == PlaceReply(place="/")
        assert await house.ask(ContextRemove(place="qmd://n/a")) == PlaceReply(place="qmd://n/a")
        assert house.parts.asked == [("context", "work", "/", "x"), ("context", "index", "qmd://n/a", "")]


class TestJobs:
    async def test_starting(self, house: House) -> None:
        await house.ask(Update(collections=["a"], index="other"))
        await house.ask(EmbedIndex(force=True, collections=["b"]))
        await house.ask(Cleanup())
        assert house.jobs.started == [
            ("update", "other", {"collections": ["a"]}),
            ("embed", "index", {"force": True, "collections": ["b"]}),
            ("cleanup", "index", {}),
        ]

    async def test_watching_ends_with_the_final_state(self, house: House) -> None:
        reply = await house.ask(JobGet(job="j1", stream=True))
        assert house.emitted == [
            JobReply(job=job("queued"), done=False),
            JobReply(job=job("running"), done=False),
        ]
        assert reply == JobReply(job=job("done"))


async def test_a_pull_is_checked_before_it_is_a_job(house: House) -> None:
    assert (await house.ask(Pull(names=["gpu"]))).job.id == "j1"
    assert house.parts.asked == [("check", "gpu")]
    assert house.jobs.started == [("fetch", "", {"names": ["gpu"]})]
