"""The daemon starts, goes and comes back; the person sees it, and loses nothing."""

from __future__ import annotations

from ipc.errors import DaemonUnreachable, ProtocolMismatch
from ipc.protocol import EngineStatus, Get, IndexEvent, Job, JobEvent, ModelsEvent, Ping, Query, Status
from ipc.testing import FakeClient
from qmd_tui.app import QmdApp
from qmd_tui.messages import ConnectionChanged
from qmd_tui.widgets.query_input import QueryInput
from tests.tui.library import (
    PONG,
    Line,
    ask,
    document,
    fused,
    index,
    lexical,
    quick,
    screen_text,
    selected,
    status,
    until,
)

GONE = DaemonUnreachable("The daemon did not answer.")


async def test_the_first_frame_says_what_is_waited_for(line: Line) -> None:
    line.error = GONE
    app = QmdApp(line, quick(retry_first_s=60))
    seen: list[object] = []
    async with app.run_test(message_hook=seen.append) as pilot:
        await until(pilot, lambda: "daemon lost, next try in 60 s" in screen_text(pilot))
        assert "The daemon did not answer." in screen_text(pilot)
        told = [(m.state, m.text) for m in seen if isinstance(m, ConnectionChanged)]
        assert told[:2] == [("connecting", ""), ("connecting", "the daemon to start")]


async def test_another_protocol_says_what_to_do(line: Line) -> None:
    line.error = ProtocolMismatch("The daemon speaks protocol 9, this program 1.")
    app = QmdApp(line, quick(retry_first_s=60))
    async with app.run_test() as pilot:
        await until(pilot, lambda: "Restart it: `qmd stop`" in screen_text(pilot))


async def test_what_is_typed_before_the_daemon_is_there_is_asked_when_it_is(line: Line, client: FakeClient) -> None:
    line.error = GONE
    app = QmdApp(line, quick())
    async with app.run_test() as pilot:
        await pilot.press(*"tea")
        assert client.requests == []
        line.error = None
        await until(pilot, lambda: "fused" in screen_text(pilot))
        assert line.attempts > 1


async def test_a_lost_daemon_leaves_query_and_results_and_is_asked_again(line: Line, client: FakeClient) -> None:
    app = QmdApp(line, quick(silence_s=0.01))
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "tea")
        await pilot.press("down")
        line.error = GONE
        client.on(Ping, GONE)
        await until(pilot, lambda: "daemon lost" in screen_text(pilot))
        assert app.screen.query_one(QueryInput).value == "tea"
        assert "Vector search" in screen_text(pilot)
        before = len([r for r in client.requests if isinstance(r, Query)])
        client.on(Ping, PONG)
        line.error = None
        await until(pilot, lambda: "● ready" in screen_text(pilot))
        await until(pilot, lambda: len([r for r in client.requests if isinstance(r, Query)]) > before)
        await until(pilot, lambda: "fused" in screen_text(pilot))
        assert selected(pilot) == "n1.md"


async def test_a_daemon_that_answers_pings_is_not_lost(line: Line, client: FakeClient) -> None:
    app = QmdApp(line, quick(silence_s=0.01))
    async with app.run_test() as pilot:
        await until(pilot, lambda: sum(isinstance(r, Ping) for r in client.requests) > 3)
        assert "● ready" in screen_text(pilot)
        assert line.attempts == 1


async def test_a_request_that_fails_is_repeated_at_once_when_the_daemon_lives(
    app: QmdApp, client: FakeClient, line: Line
) -> None:
    answers = iter([GONE])
    client.on(Query, lambda _: next(answers, fused(5)))
    async with app.run_test() as pilot:
        await ask(pilot, "t")
        assert selected(pilot) == "n5.md"
        assert line.attempts == 1


async def test_a_question_that_the_daemon_does_not_survive_is_given_up(app: QmdApp, client: FakeClient) -> None:
    client.on(Query, GONE)
    async with app.run_test() as pilot:
        await pilot.press("t")
        await until(pilot, lambda: "The daemon did not answer." in screen_text(pilot).splitlines()[1])
        assert sum(isinstance(r, Query) for r in client.requests) == 3


async def test_a_preview_that_fails_is_fetched_again(app: QmdApp, client: FakeClient) -> None:
    answers = iter([GONE])
    client.on(Get, lambda request: next(answers, None) or document(request))  # type: ignore[arg-type]
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot, "t")
        await until(pilot, lambda: "line 42 of document 0" in screen_text(pilot))


async def test_without_a_collection_the_next_step_is_shown(app: QmdApp, client: FakeClient) -> None:
    client.on(Status, status(index=index(collections=[], documents=0)))
    async with app.run_test() as pilot:
        await until(pilot, lambda: "Press Enter to choose a folder." in screen_text(pilot))
        assert "Nothing is indexed yet." in screen_text(pilot)


async def test_a_job_shows_its_progress_and_its_end(app: QmdApp, client: FakeClient) -> None:
    async with app.run_test() as pilot:
        await until(pilot, lambda: client.listeners)
        job = Job(id="1", kind="update", index="index", state="running", phase="indexing", done=45, total=120)
        client.emit("job", JobEvent(job=job))
        await until(pilot, lambda: "indexing 45/120" in screen_text(pilot))
        done = Job(id="1", kind="update", index="index", state="done", counts={"new": 12, "removed": 0})
        client.emit("job", JobEvent(job=done))
        await until(pilot, lambda: "indexing done: 12 new" in screen_text(pilot))


async def test_a_job_that_runs_already_is_shown(app: QmdApp, client: FakeClient) -> None:
    job = Job(id="1", kind="embed", index="index", state="running", done=1, total=4)
    client.on(Status, status(jobs=[job]))
    async with app.run_test() as pilot:
        await until(pilot, lambda: "embedding 1/4" in screen_text(pilot))


async def test_a_changed_index_is_reported_and_asked_again_where_it_had_no_answer(
    app: QmdApp, client: FakeClient
) -> None:
    client.on(Query, lexical())
    async with app.run_test() as pilot:
        await pilot.press(*"tea")
        await until(pilot, lambda: "Nothing matches" in screen_text(pilot))
        client.on(Query, fused(1))
        client.on(Status, status(index=index(documents=1234)))
        client.emit("index", IndexEvent(index="other", seq=1))
        client.emit("index", IndexEvent(index="index", seq=2))
        await until(pilot, lambda: "fused" in screen_text(pilot) and "1,234 documents" in screen_text(pilot))


async def test_the_state_of_the_model_is_told(app: QmdApp, client: FakeClient) -> None:
    async with app.run_test() as pilot:
        await until(pilot, lambda: client.listeners)
        client.emit("models", ModelsEvent(engine=EngineStatus(state="starting", engine="ct2")))
        await until(pilot, lambda: "● loading the model" in screen_text(pilot))
        client.emit("models", ModelsEvent(engine=EngineStatus(state="no_model", engine="ct2")))
        await until(pilot, lambda: "● no model" in screen_text(pilot))
