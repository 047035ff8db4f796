from __future__ import annotations

import asyncio

import pytest
import structlog
from structlog.testing import LogCapture, capture_logs

from ipc.errors import QmdError
from ipc.protocol import AnyRequest, Done, ErrorReply, JobGet, Ping, Pong, Reply, Search, Shutdown
from qmd_daemon.serve.caller import Caller
from qmd_daemon.serve.dispatch import Answer, Dispatcher, Emit
from qmd_daemon.serve.lifecycle import Lifecycle

SEARCH = Search(query="what I searched for")


async def no_stream(_: Reply) -> None:
    pass


class Work:
    """A handler that does what the test wants, when the test wants it."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.error: Exception | None = None
        self.started = 0
        self.cancelled = 0

    async def handle(self, _: AnyRequest, __: Emit) -> Answer:
        self.started += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error
        return Answer(Done())


@pytest.fixture
async def work() -> Work:
    return Work()


@pytest.fixture
async def lifecycle() -> Lifecycle:
    return Lifecycle("1")


@pytest.fixture
async def dispatcher(lifecycle: Lifecycle, work: Work) -> Dispatcher:
    dispatcher = Dispatcher(lifecycle, max_in_flight=2)
    dispatcher.open(work.handle)
    return dispatcher


def code(answer: Answer) -> str:
    return answer.reply.error.code if isinstance(answer.reply, ErrorReply) else "ok"


async def test_before_it_is_open_only_pings_and_shutdowns_are_answered(lifecycle: Lifecycle) -> None:
    dispatcher = Dispatcher(lifecycle)
    assert code(await dispatcher.run(SEARCH, no_stream)) == "unavailable"
    pong = (await dispatcher.run(Ping(), no_stream)).reply
    assert isinstance(pong, Pong)
    assert not pong.ready
    assert (await dispatcher.run(Shutdown(), no_stream)).reply == Done()
    await lifecycle.stopped()


async def test_opening_makes_the_daemon_ready(dispatcher: Dispatcher, lifecycle: Lifecycle, work: Work) -> None:
    assert lifecycle.pong().ready
    work.gate.set()
    assert (await dispatcher.run(SEARCH, no_stream)).reply == Done()


async def test_too_many_at_once_are_refused_at_once(dispatcher: Dispatcher, work: Work) -> None:
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(dispatcher.run(SEARCH, no_stream)) for _ in range(2)]
        await asyncio.sleep(0)
        assert code(await dispatcher.run(SEARCH, no_stream)) == "overloaded"
        assert isinstance((await dispatcher.run(Ping(), no_stream)).reply, Pong)
        work.gate.set()
    assert [code(task.result()) for task in running] == ["ok", "ok"]
    assert code(await dispatcher.run(SEARCH, no_stream)) == "ok"


async def test_a_request_past_its_deadline_is_dropped(dispatcher: Dispatcher, work: Work) -> None:
    assert code(await dispatcher.run(Search(query="a", deadline_s=0.01), no_stream)) == "deadline"
    assert work.cancelled == 1


async def test_a_timeout_inside_the_work_is_not_the_requests_deadline(dispatcher: Dispatcher, work: Work) -> None:
    work.error = TimeoutError()
    work.gate.set()
    with capture_logs():
        assert code(await dispatcher.run(SEARCH, no_stream)) == "internal"


async def test_an_error_for_a_person_is_passed_on(dispatcher: Dispatcher, work: Work) -> None:
    work.error = QmdError("no_model", "No model.", "Get one.")
    work.gate.set()
    reply = (await dispatcher.run(SEARCH, no_stream)).reply
    assert isinstance(reply, ErrorReply)
    assert (reply.error.code, reply.error.message, reply.error.hint) == ("no_model", "No model.", "Get one.")


async def noted() -> None:
    """What is done behind the answer is done at the loop's next turn."""
    await asyncio.sleep(0)


async def test_a_bug_is_logged_and_its_reply_quotes_where(dispatcher: Dispatcher, work: Work) -> None:
    work.error = ZeroDivisionError("secret detail")
    work.gate.set()
    with capture_logs() as logs:
        reply = (await dispatcher.run(SEARCH, no_stream)).reply
        await noted()
    assert isinstance(reply, ErrorReply)
    assert reply.error.code == "internal"
    assert "secret" not in reply.error.message + reply.error.hint
    _started, failed, done = logs
    assert failed["event"] == "request.failed"
    assert failed["exc_info"]
    assert done["code"] == "internal"


async def test_what_was_searched_for_is_not_logged(dispatcher: Dispatcher, work: Work) -> None:
    work.gate.set()
    with capture_logs() as logs:
        await dispatcher.run(SEARCH, no_stream)
        assert [line["event"] for line in logs] == ["request.started"]
        await noted()
    assert [line["event"] for line in logs] == ["request.started", "request.done"]
    assert SEARCH.query not in str(logs)


async def test_cancelling_frees_the_place(dispatcher: Dispatcher, work: Work) -> None:
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await dispatcher.run(SEARCH, no_stream)
    assert work.cancelled == 3
    await dispatcher.drain(0)


class TestDrain:
    async def test_what_runs_may_finish_and_what_comes_is_refused(self, dispatcher: Dispatcher, work: Work) -> None:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(dispatcher.run(SEARCH, no_stream))
            await asyncio.sleep(0)
            drained = group.create_task(dispatcher.drain(60))
            await asyncio.sleep(0)
            assert code(await dispatcher.run(SEARCH, no_stream)) == "unavailable"
            assert not drained.done()
            work.gate.set()
        assert code(running.result()) == "ok"

    async def test_what_takes_longer_than_the_grace_ends(self, dispatcher: Dispatcher, work: Work) -> None:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(dispatcher.run(SEARCH, no_stream))
            await asyncio.sleep(0)
            await dispatcher.drain(0.01)
        assert code(running.result()) == "unavailable"
        assert work.cancelled == 1

    async def test_who_watches_a_job_gets_no_grace(self, dispatcher: Dispatcher, work: Work) -> None:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(dispatcher.run(JobGet(job="j1", stream=True), no_stream))
            await asyncio.sleep(0)
            await dispatcher.drain(60)
        assert code(watching.result()) == "unavailable"

    async def test_with_nothing_under_way_it_is_done(self, dispatcher: Dispatcher) -> None:
        await dispatcher.drain(60)


async def test_one_client_has_a_limit_of_its_own_and_others_are_served(lifecycle: Lifecycle, work: Work) -> None:
    dispatcher = Dispatcher(lifecycle, max_in_flight=8, max_of_one=2)
    dispatcher.open(work.handle)
    greedy, other = Caller("greedy"), Caller("other")
    async with asyncio.TaskGroup() as group:
        busy = [group.create_task(dispatcher.run(SEARCH, no_stream, greedy)) for _ in range(2)]
        while work.started < 2:
            await asyncio.sleep(0)
        refused = (await dispatcher.run(SEARCH, no_stream, greedy)).reply
        assert isinstance(refused, ErrorReply)
        assert refused.error.code == "rate_limited"
        served = group.create_task(dispatcher.run(SEARCH, no_stream, other))
        while work.started < 3:
            await asyncio.sleep(0)
        for task in busy:
            task.cancel()
        work.gate.set()
        assert (await served).reply.ok
    assert (await dispatcher.run(SEARCH, no_stream, greedy)).reply.ok


@pytest.mark.parametrize(("name", "logged"), [("trace-7", "trace-7"), ("", None), ("x" * 65, None), ("a\nb", None)])
async def test_the_log_has_the_clients_own_name_of_a_request(
    dispatcher: Dispatcher, work: Work, name: str, logged: str | None
) -> None:
    work.gate.set()
    capture = LogCapture()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    try:
        await dispatcher.run(Search(query="a", id=name), no_stream)
        await noted()
    finally:
        structlog.reset_defaults()
    assert [entry.get("id") for entry in capture.entries if entry["event"] == "request.done"] == [logged]
