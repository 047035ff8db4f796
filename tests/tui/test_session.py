"""The session alone, without a screen: what it asks, what it cancels, what it reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
from textual.message import Message

from ipc.errors import DaemonUnreachable, QmdError
from ipc.protocol import CollectionList, CollectionsReply, Get, JobCancel, Query, Search, Similar, VSearch
from ipc.testing import FakeClient
from qmd_tui.messages import (
    Answered,
    AskFailed,
    ConnectionChanged,
    DocumentFailed,
    DocumentLoaded,
    GpuSampled,
    Granted,
    IndexReported,
    JobProgressed,
    Mode,
    Question,
    Refused,
    Wanted,
)
from qmd_tui.session import Session
from tests.tui.library import Line, fused, index, lexical, quick, vectors

M = TypeVar("M", bound=Message)


class Report:
    """What the session posted."""

    def __init__(self) -> None:
        self.posted: list[Message] = []

    def of(self, kind: type[M]) -> list[M]:
        return [message for message in self.posted if isinstance(message, kind)]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0)


@pytest.fixture
def report() -> Report:
    return Report()


@asynccontextmanager
async def running(line: Line, report: Report, **settings: object) -> AsyncIterator[Session]:
    session = Session(line, report.posted.append, quick(**settings))
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(session.run())
        yield session
        task.cancel()


def question(text: str, mode: Mode = "query", number: int = 1) -> Question:
    return Question(text, mode, number)


@pytest.mark.parametrize(("mode", "kinds"), [("search", [Search]), ("vsearch", [VSearch]), ("query", [Query])])
async def test_each_mode_asks_its_requests(
    line: Line, client: FakeClient, report: Report, mode: Mode, kinds: list[type]
) -> None:
    async with running(line, report) as session:
        session.ask(question("tea", mode))
        await report.until(lambda: [m for m in report.of(Answered) if m.final])
    assert [type(r) for r in client.requests if isinstance(r, Search | VSearch | Query)] == kinds
    assert [m.final for m in report.of(Answered)][-1] is True


async def test_a_new_question_cancels_the_one_before(line: Line, client: FakeClient, report: Report) -> None:
    gate = client.hold(Search)
    async with running(line, report) as session:
        await report.until(lambda: session._client)
        for number, text in enumerate(("t", "te", "tea"), 1):
            session.ask(question(text, "search", number))
            await report.until(lambda text=text: [r for r in client.requests if getattr(r, "query", "") == text])
        gate.set()
        await report.until(lambda: report.of(Answered))
    assert [m.question.text for m in report.of(Answered)] == ["tea"]
    assert [r.query for r in client.cancelled if isinstance(r, Search)] == ["t", "te"]


async def test_an_empty_question_only_cancels(line: Line, client: FakeClient, report: Report) -> None:
    client.hold(Search)
    async with running(line, report) as session:
        session.ask(question("tea", "search"))
        await report.until(lambda: any(isinstance(r, Search) for r in client.requests))
        session.ask(question("", "search", 2))
        await report.until(lambda: client.cancelled)
    assert report.of(Answered) == []


async def test_a_query_is_one_request_that_waits_for_the_pause_before_it_asks_a_model(
    line: Line, client: FakeClient, report: Report
) -> None:
    async with running(line, report, debounce_ms=150) as session:
        session.ask(question("gpu -c notes intent: the daemon"))
        await report.until(lambda: report.of(Answered))
    (request,) = [r for r in client.requests if isinstance(r, Query)]
    assert (request.stream, request.pause_ms, request.explain) == (True, 150, True)
    assert (request.query, request.collections, request.intent) == ("gpu", ["notes"], "the daemon")


async def test_the_next_key_cancels_what_waits_for_the_pause(line: Line, client: FakeClient, report: Report) -> None:
    client.hold(Query, after=1)
    async with running(line, report) as session:
        for number, text in enumerate(("t", "te", "tea"), 1):
            session.ask(question(text, number=number))
            await report.until(lambda number=number: len(report.of(Answered)) == number)
    assert [m.reply.stage for m in report.of(Answered)] == ["lexical"] * 3
    assert [r.query for r in client.cancelled if isinstance(r, Query)] == ["t", "te", "tea"]


async def test_documents_like_one_are_asked_for(line: Line, client: FakeClient, report: Report) -> None:
    client.on(Similar, vectors(1, 2))
    async with running(line, report) as session:
        session.ask(Question("", "query", 1, like="qmd://notes/n0.md"))
        await report.until(lambda: report.of(Answered))
    (request,) = [r for r in client.requests if isinstance(r, Similar)]
    assert request.ref == "qmd://notes/n0.md"


async def test_a_wish_is_granted_or_refused(line: Line, client: FakeClient, report: Report) -> None:
    client.on(CollectionList, CollectionsReply(collections=[]))
    client.on(JobCancel, QmdError("not_found", "There is no such job."))
    async with running(line, report) as session:
        await report.until(lambda: session._client)
        session.wish(CollectionList())
        session.wish(JobCancel(job="7"))
        await report.until(lambda: report.of(Granted) and report.of(Refused))
    assert report.of(Granted)[0].request == CollectionList()
    assert report.of(Refused)[0].error.code == "not_found"


async def test_a_wish_without_a_daemon_is_refused(line: Line, report: Report) -> None:
    session = Session(line, report.posted.append, quick())
    session.wish(CollectionList())
    assert isinstance(report.of(Refused)[0].error, DaemonUnreachable)


async def test_every_reply_of_a_stream_is_reported(line: Line, client: FakeClient, report: Report) -> None:
    client.on(Query, lambda _: [lexical(1, done=False), fused(2)])
    async with running(line, report) as session:
        session.ask(question("tea"))
        await report.until(lambda: [m for m in report.of(Answered) if m.final])
    assert [(m.reply.stage, m.final) for m in report.of(Answered)] == [("lexical", False), ("fused", True)]


async def test_an_error_is_reported_and_nothing_is_repeated(line: Line, client: FakeClient, report: Report) -> None:
    client.on(Query, QmdError("invalid", "A quote is missing."))
    async with running(line, report) as session:
        session.ask(question('"tea'))
        await report.until(lambda: report.of(AskFailed))
        await session.document("qmd://notes/n1.md", 1, 1)
    assert sum(isinstance(r, Query) for r in client.requests) == 1


async def test_a_window_of_lines_is_fetched(line: Line, client: FakeClient, report: Report) -> None:
    async with running(line, report, window_lines=10) as session:
        session.fetch(Wanted("qmd://notes/n1.md", 3))
        await report.until(lambda: report.of(DocumentLoaded))
        session.fetch(Wanted("qmd://notes/n1.md", 500))
        await report.until(lambda: len(report.of(DocumentLoaded)) == 2)
    asked = [(r.ref, r.from_line, r.max_lines) for r in client.requests if isinstance(r, Get)]
    assert asked == [("qmd://notes/n1.md", 1, 21), ("qmd://notes/n1.md", 490, 21)]


async def test_a_document_that_is_not_there_is_reported(line: Line, client: FakeClient, report: Report) -> None:
    client.on(Get, QmdError("not_found", "There is no such document."))
    async with running(line, report) as session:
        session.fetch(Wanted("qmd://notes/n1.md", 3))
        await report.until(lambda: report.of(DocumentFailed))


async def test_without_a_daemon_a_document_is_an_error(line: Line, report: Report) -> None:
    session = Session(line, report.posted.append, quick())
    with pytest.raises(DaemonUnreachable):
        await session.document("qmd://notes/n1.md", 1, 1)


async def test_it_tries_again_less_and_less_often(line: Line, report: Report) -> None:
    line.error = DaemonUnreachable("Gone.")
    async with running(line, report, retry_first_s=0.001, retry_most_s=0.004):
        await report.until(lambda: len([m for m in report.of(ConnectionChanged) if m.state == "lost"]) >= 5)
    waits = [m.retry_s for m in report.of(ConnectionChanged) if m.state == "lost"]
    assert waits[:5] == [0.001, 0.002, 0.004, 0.004, 0.004]


def test_a_newer_reading_takes_the_place_of_an_older_one() -> None:
    from ipc.protocol import GpuSample, Job

    def job(name: str) -> JobProgressed:
        return JobProgressed(Job(id=name, kind="update", index="index", state="running"))

    assert GpuSampled(GpuSample(at=2.0)).can_replace(GpuSampled(GpuSample(at=1.0)))
    assert IndexReported(index()).can_replace(IndexReported(index()))
    assert job("1").can_replace(job("1"))
    assert not job("1").can_replace(job("2"))
    assert not job("1").can_replace(GpuSampled(GpuSample(at=1.0)))
