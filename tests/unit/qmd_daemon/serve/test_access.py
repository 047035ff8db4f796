"""What a token opens, and what it does not: each operation, and each thing that an answer may give away."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ipc.codec import OPERATIONS
from ipc.errors import QmdError
from ipc.protocol import (
    AnyRequest,
    CollectionInfo,
    DocumentReply,
    Done,
    EngineStatus,
    EventReply,
    Get,
    GpuSample,
    IndexEvent,
    IndexStatus,
    Job,
    JobCancel,
    JobEvent,
    JobGet,
    JobReply,
    JobsReply,
    Listen,
    LogEvent,
    Reply,
    Search,
    SearchReply,
    Similar,
    Status,
    StatusReply,
    Update,
)
from qmd_daemon.grants import Grant
from qmd_daemon.serve import access
from qmd_daemon.serve.answer import Answer, Emit

WHOLE = Grant(id="1", name="whole", kind="token", check="")
NOTES = Grant(id="2", name="notes", kind="token", check="", collections=("notes",))
READER = Grant(id="3", name="reader", kind="token", check="", collections=("notes",), read_only=True)
READS = {
    *("ping", "cancel", "search", "vsearch", "query", "similar", "get", "status", "collection_list"),
    *("embed", "rerank", "expand", "ps", "catalog", "job", "jobs", "events"),
}
WRITES = {"update", "embed_index", "job_cancel"}
KEEPS = {"cleanup", "pull", "models_load", "models_unload"}
FIELDS = {"query": "q", "ref": "#abc123", "texts": [], "documents": [], "target": "t", "job": "j", "path": "/p"}
MORE = {"role": "reranker", "name": "n", "new_name": "m", "place": "/", "text": "t"}


def requested(op: str) -> Any:
    kind = OPERATIONS[op]
    given = {name: value for name, value in {**FIELDS, **MORE}.items() if name in kind.__struct_fields__}
    return msgspec.convert({"op": op, **given}, kind)


def job(name: str, *collections: str, index: str = "index") -> Job:
    return Job(id=name, kind="update", index=index, state="running", collections=list(collections))


def document(collection: str) -> DocumentReply:
    return DocumentReply(
        docid="#abc123",
        file=f"qmd://{collection}/a.md",
        collection=collection,
        path="a.md",
        title="A",
        text="t",
        first_line=1,
        total_lines=1,
    )


@pytest.mark.parametrize(
    ("grant", "allowed"), [(WHOLE, READS | WRITES | KEEPS), (NOTES, READS | WRITES), (READER, READS)]
)
@pytest.mark.parametrize("op", OPERATIONS)
def test_each_operation(op: str, grant: Grant, allowed: set[str]) -> None:
    if op in allowed:
        access.narrow(requested(op), grant)
    else:
        with pytest.raises(QmdError) as caught:
            access.narrow(requested(op), grant)
        assert caught.value.code == "forbidden"


@pytest.mark.parametrize("op", ["search", "vsearch", "query", "similar", "update", "embed_index"])
def test_without_a_collection_its_own_are_meant(op: str) -> None:
    assert getattr(access.narrow(requested(op), NOTES), "collections", None) == ["notes"]
    assert getattr(access.narrow(requested(op), WHOLE), "collections", None) == []


@pytest.mark.parametrize("grant", [NOTES, READER])
def test_another_collection_is_refused_whether_there_is_one_or_not(grant: Grant) -> None:
    with pytest.raises(QmdError) as caught:
        access.narrow(Search(query="q", collections=["notes", "diary"]), grant)
    assert caught.value.code == "forbidden"


@pytest.mark.parametrize(
    "request_", [Search(query="q", index="work"), Get(ref="qmd://n/a.md?index=work"), Get(ref="a", index="/p/.qmd")]
)
@pytest.mark.parametrize("grant", [WHOLE, NOTES])
def test_another_index_is_refused(request_: AnyRequest, grant: Grant) -> None:
    with pytest.raises(QmdError) as caught:
        access.narrow(request_, grant)
    assert caught.value.code == "forbidden"


class Work:
    """Answers with what the test gives it, and remembers what it was asked."""

    def __init__(self, *replies: Reply | QmdError) -> None:
        self.replies = list(replies)
        self.asked: list[AnyRequest] = []

    async def __call__(self, request: AnyRequest, _: Emit) -> Answer:
        self.asked.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, QmdError):
            raise reply
        return Answer(reply)


async def nobody(_: Reply) -> None:
    pass


async def refusal(work: Work, request: AnyRequest, grant: Grant) -> QmdError:
    with pytest.raises(QmdError) as caught:
        await access.answer(work, request, nobody, grant)
    return caught.value


async def test_a_document_of_another_collection_is_not_there() -> None:
    error = await refusal(Work(document("diary")), Get(ref="#abc123"), NOTES)
    assert (error.code, "diary" in str(error)) == ("not_found", False)
    assert (await access.answer(Work(document("notes")), Get(ref="a"), nobody, NOTES)).reply == document("notes")


@pytest.mark.parametrize("code", ["not_found", "conflict"])
async def test_near_names_and_candidates_are_not_told(code: str) -> None:
    error = await refusal(Work(QmdError(code, "No.", "Did you mean qmd://diary/secret.md?")), Get(ref="a"), NOTES)
    assert "secret" not in str(error)


async def test_what_is_like_a_document_begins_at_one_that_may_be_read() -> None:
    error = await refusal(work := Work(document("diary")), Similar(ref="#abc123"), NOTES)
    assert (error.code, len(work.asked)) == ("not_found", 1)
    work = Work(document("notes"), SearchReply(results=[], stage="vector"))
    await access.answer(work, Similar(ref="#abc123"), nobody, NOTES)
    assert work.asked[1] == Similar(ref="qmd://notes/a.md", collections=["notes"])


async def test_a_job_of_another_collection_is_neither_seen_nor_ended() -> None:
    for request in (JobGet(job="j"), JobGet(job="j", stream=True), JobCancel(job="j")):
        for other in (job("j", "diary"), job("j"), job("j", "notes", "diary"), job("j", "notes", index="work")):
            error = await refusal(work := Work(JobReply(job=other), Done()), request, NOTES)
            assert (error.code, len(work.asked)) == ("not_found", 1)


async def test_its_own_job_is() -> None:
    own = JobReply(job=job("j", "notes"))
    answer = await access.answer(Work(own, own), JobCancel(job="j"), nobody, NOTES)
    assert answer.reply == own


async def test_a_stream_is_watched_reply_by_reply() -> None:
    async def work(_: AnyRequest, emit: Emit) -> Answer:
        await emit(document("diary"))
        return Answer(document("notes"))

    with pytest.raises(QmdError, match="nothing of that name"):
        await access.answer(work, Update(), nobody, NOTES)


def test_the_status_tells_of_its_collections_alone() -> None:
    assert access.narrow(Status(), NOTES) == Status(collections=["notes"])
    assert access.narrow(Status(), WHOLE) == Status()
    with pytest.raises(QmdError, match="not for the collection"):
        access.narrow(Status(collections=["diary"]), NOTES)
    collections = [CollectionInfo(name=name, path=f"/{name}", pattern="*", documents=3) for name in ("diary", "notes")]
    index = IndexStatus(name="index", path="/data", documents=6, chunks=9, vectors=9, size_bytes=999, pending=1)
    status = StatusReply(
        version="1",
        protocol=1,
        pid=1,
        uptime_s=1,
        index=msgspec.structs.replace(index, collections=collections),
        engine=EngineStatus(state="off", engine="fake"),
        jobs=[job("a", "diary"), job("b", "notes"), job("c")],
    )
    shown = access.shown(status, NOTES)
    assert isinstance(shown, StatusReply)
    assert [one.name for one in shown.index.collections] == ["notes"]
    assert [one.id for one in shown.jobs] == ["b"]
    assert shown.index.size_bytes == 0
    assert "diary" not in msgspec.json.encode(shown).decode()
    assert access.shown(status, WHOLE) == status


def test_the_jobs() -> None:
    reply = JobsReply(jobs=[job("a", "diary"), job("b", "notes"), job("c", index="work")])
    assert [one.id for one in getattr(access.shown(reply, NOTES), "jobs", [])] == ["b"]
    assert [one.id for one in getattr(access.shown(reply, WHOLE), "jobs", [])] == ["a", "b"]


def test_events() -> None:
    heard = [JobEvent(job=job("a", "notes")), IndexEvent(index="index", seq=1), GpuSample(at=0)]
    unheard = [
        JobEvent(job=job("a", "diary")),
        JobEvent(job=job("a")),
        IndexEvent(index="work", seq=1),
        LogEvent(at=0, level="info", event="job.ended"),
    ]
    assert [access.hears(event, NOTES) for event in (*heard, *unheard)] == [True] * 3 + [False] * 4
    assert not access.hears(unheard[-1], WHOLE)


async def test_only_what_may_be_heard_is_told() -> None:
    heard: list[Reply] = []

    async def handle(_: AnyRequest, emit: Emit) -> Answer:
        for event in (JobEvent(job=job("a", "diary")), JobEvent(job=job("b", "notes"))):
            await emit(EventReply(topic="job", event=event, done=False))
        return Answer(Done())

    async def emit(reply: Reply) -> None:
        heard.append(reply)

    await access.answer(handle, Listen(), emit, NOTES)
    assert [reply.event.job.id for reply in heard if isinstance(reply, EventReply)] == ["b"]
