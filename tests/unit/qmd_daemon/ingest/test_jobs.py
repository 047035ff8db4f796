from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from ipc.errors import QmdError
from ipc.protocol import Job, JobEvent
from qmd_daemon.config import IngestConfig
from qmd_daemon.ingest import jobs as jobs_module
from qmd_daemon.ingest.jobs import Jobs
from qmd_daemon.store.index import Index
from tests.unit.qmd_daemon.ingest.library import MAX_BYTES, Engine, Library, write


class Office:
    """Jobs over a library of three notes, with an engine that can be held up."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.engine = Engine()
        self.events: list[Job] = []
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        config = IngestConfig(max_file_bytes=MAX_BYTES)
        self.jobs = Jobs(library.indexes, self.engine, config, library.collections, self._publish)

    def _publish(self, topic: str, event: object) -> None:
        assert topic == "job"
        assert isinstance(event, JobEvent)
        self.events.append(event.job)

    def hold(self) -> None:
        """Let the next embedding wait for `go_on`."""

        async def wait() -> None:
            self.reached.set()
            await self.go_on.wait()

        self.engine.before = lambda _: wait()

    async def end(self, job: Job) -> Job:
        """The job when it is over."""
        async for last in self.jobs.watch(job.id):
            job = last
        return job

    def states(self, job: Job) -> list[str]:
        """Without repetitions."""
        states = [one.state for one in self.events if one.id == job.id]
        return [state for state, before in zip(states, ["", *states], strict=False) if state != before]


@pytest.fixture
async def office(library: Library) -> AsyncIterator[Office]:
    for name in "abc":
        write(library.notes / f"{name}.md", f"words of {name}")
    await library.collections.add("index", str(library.notes))
    office = Office(library)
    async with office.jobs:
        yield office


async def test_a_job_tells_what_it_does_from_the_queue_to_the_end(office: Office) -> None:
    job = office.jobs.start("update", "index")
    assert (job.state, job.kind, job.index) == ("queued", "update", "index")
    done = await office.end(job)
    assert (done.state, done.error) == ("done", None)
    assert done.counts == {"new": 3, "updated": 0, "unchanged": 0, "removed": 0, "skipped": 0}
    assert 0 < done.created_at <= done.started_at <= done.ended_at
    assert office.states(job) == ["queued", "running", "done"]
    assert office.jobs.get(job.id) == done == office.events[-1]
    assert office.jobs.list() == [done]


async def test_what_was_skipped_is_named(office: Office) -> None:
    write(office.library.notes / "empty.md", "")
    done = await office.end(office.jobs.start("update", "index"))
    assert [(one.path, one.reason) for one in done.skipped] == [("empty.md", "empty")]


async def test_adding_updates_and_embeds(office: Office) -> None:
    done = await office.end(office.jobs.start("add", "index", collections=["notes"]))
    assert (done.state, done.counts["new"], done.counts["chunks"]) == ("done", 3, 3)


async def test_adding_without_a_model_says_that_there_are_no_vectors(office: Office) -> None:
    office.engine.info = None
    done = await office.end(office.jobs.start("add", "index"))
    assert (done.state, done.counts["new"]) == ("done", 3)
    assert "no vectors" in done.phase


async def test_embedding_can_be_forced(office: Office) -> None:
    await office.end(office.jobs.start("add", "index"))
    assert (await office.end(office.jobs.start("embed", "index"))).counts["chunks"] == 0
    assert (await office.end(office.jobs.start("embed", "index", force=True))).counts["chunks"] == 3


async def test_one_runs_at_a_time_in_order(office: Office) -> None:
    started = [office.jobs.start(kind, "index") for kind in ("update", "embed", "update")]
    ended = [await office.end(job) for job in started]
    assert [job.state for job in ended] == ["done"] * 3
    for before, after in pairwise(ended):
        assert before.ended_at <= after.started_at


async def test_another_index_does_not_wait(office: Office) -> None:
    office.hold()
    slow = office.jobs.start("add", "index")
    await office.reached.wait()
    assert (await office.end(office.jobs.start("update", "work"))).state == "done"
    assert office.jobs.get(slow.id).state == "running"
    office.go_on.set()
    assert (await office.end(slow)).state == "done"


async def test_the_same_asked_for_again_is_the_one_that_waits_but_not_the_one_that_runs(office: Office) -> None:
    office.hold()
    running = office.jobs.start("add", "index")
    await office.reached.wait()
    waiting = office.jobs.start("add", "index")
    assert waiting.id != running.id
    assert office.jobs.start("add", "index").id == waiting.id
    assert office.jobs.start("add", "index", collections=["notes"]).id != waiting.id
    assert office.jobs.start("embed", "index").id != waiting.id
    office.go_on.set()
    assert (await office.end(waiting)).state == "done"


async def test_a_queue_has_an_end(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "_QUEUED_MAX", 2)
    office.hold()
    office.jobs.start("add", "index")
    await office.reached.wait()
    for number in range(2):
        office.jobs.start("update", "index", collections=[str(number)])
    with pytest.raises(QmdError) as caught:
        office.jobs.start("update", "index", collections=["2"])
    assert caught.value.code == "overloaded"
    assert len(office.jobs.list()) == 3
    office.jobs.start("update", "index", collections=["1"])
    office.go_on.set()


async def test_one_that_runs_can_be_cancelled_and_the_next_one_begins(office: Office) -> None:
    office.hold()
    job = office.jobs.start("add", "index")
    await office.reached.wait()
    following = office.jobs.start("update", "index")
    office.jobs.cancel(job.id)
    assert (await office.end(job)).state == "cancelled"
    assert office.states(job) == ["queued", "running", "cancelled"]
    assert (await office.end(following)).counts["unchanged"] == 3, "what was done stays"


@pytest.mark.parametrize("end", ["cancelled", "failed", "done"])
async def test_what_one_has_done_that_did_not_end_well_is_made_searchable(
    office: Office, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed: list[str] = []
    monkeypatch.setattr(Index, "follow", lambda index: followed.append(index.name))
    office.hold()
    job = office.jobs.start("add", "index")
    await office.reached.wait()
    if end == "cancelled":
        office.jobs.cancel(job.id)
    elif end == "failed":
        office.engine.info = None
        job = office.jobs.start("embed", "index")
    office.go_on.set()
    assert (await office.end(job)).state == end
    assert followed == ([] if end == "done" else ["index"])


async def test_one_that_waits_can_be_cancelled_and_never_runs(office: Office) -> None:
    office.hold()
    running = office.jobs.start("add", "index")
    await office.reached.wait()
    waiting, last = office.jobs.start("embed", "index"), office.jobs.start("update", "index")
    assert office.jobs.cancel(waiting.id).state == "cancelled"
    assert (await office.end(waiting)).started_at == 0
    office.go_on.set()
    assert [(await office.end(job)).state for job in (running, last)] == ["done", "done"]
    assert office.states(waiting) == ["queued", "cancelled"]


async def test_one_cancelled_before_its_task_has_run_never_runs(office: Office) -> None:
    job, following = office.jobs.start("update", "index"), office.jobs.start("embed", "index")
    assert office.jobs.cancel(job.id).state == "cancelled"
    assert (await office.end(following)).state == "done"
    assert office.states(job) == ["queued", "cancelled"]


async def test_one_that_is_over_is_left_as_it_is(office: Office) -> None:
    done = await office.end(office.jobs.start("update", "index"))
    assert office.jobs.cancel(done.id) == done


async def test_a_job_that_is_none_is_not_found(office: Office) -> None:
    for ask in (office.jobs.get, office.jobs.cancel):
        with pytest.raises(QmdError) as caught:
            ask("nope")
        assert caught.value.code == "not_found"
    with pytest.raises(QmdError):
        await anext(office.jobs.watch("nope"))


async def test_a_failure_is_told_in_words_and_the_next_one_begins(office: Office) -> None:
    office.library.configure("collections: [\n")
    failed = await office.end(office.jobs.start("update", "index"))
    assert failed.state == "failed"
    assert failed.error is not None
    assert (failed.error.code, "line 2" in failed.error.message) == ("invalid", True)
    office.library.configure("collections: {}\n")
    assert (await office.end(office.jobs.start("update", "index"))).state == "done"


async def test_a_mistake_of_ours_is_told_as_internal_without_its_insides(office: Office) -> None:
    def crash(_: object) -> None:
        raise ZeroDivisionError("secret insides")

    office.engine.before = crash
    failed = await office.end(office.jobs.start("add", "index"))
    assert failed.error is not None
    assert (failed.state, failed.error.code) == ("failed", "internal")
    assert "secret" not in str(failed.error)
    assert failed.id in failed.error.hint


async def test_many_can_watch_and_each_sees_the_end(office: Office) -> None:
    office.hold()
    job = office.jobs.start("add", "index")

    async def last() -> Job:
        return await office.end(job)

    async with asyncio.TaskGroup() as group:
        watchers = [group.create_task(last()) for _ in range(5)]
        await office.reached.wait()
        office.go_on.set()
    assert {one.result().state for one in watchers} == {"done"}
    assert [one.state async for one in office.jobs.watch(job.id)] == ["done"]


async def test_progress_is_told_now_and_then_and_never_after_the_end(office: Office) -> None:
    for number in range(300):
        write(office.library.notes / f"{number}.md", f"text {number}")
    job = office.jobs.start("add", "index")
    done = await office.end(job)
    assert done.counts["new"] == 303
    mine = [one for one in office.events if one.id == job.id]
    assert mine[-1].state == "done"
    assert len(mine) < 100
    assert office.jobs._records[job.id]._timer is None, "nothing is left to be told"


async def test_the_last_fifty_are_kept_and_none_that_runs_is_forgotten(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "_KEPT", 3)
    office.hold()
    running = office.jobs.start("add", "index")
    await office.reached.wait()
    over = [office.jobs.cancel(office.jobs.start("embed", "index").id) for _ in range(6)]
    assert [job.id for job in office.jobs.list()] == [running.id, over[4].id, over[5].id]
    office.go_on.set()
    await office.end(running)


async def test_leaving_cancels_what_runs_and_what_waits(library: Library) -> None:
    office = Office(library)
    for name in "abc":
        write(library.notes / f"{name}.md", f"words of {name}")
    await library.collections.add("index", str(library.notes))
    office.hold()
    async with office.jobs:
        running = office.jobs.start("add", "index")
        await office.reached.wait()
        waiting = office.jobs.start("update", "index")
    assert [office.jobs.get(job.id).state for job in (running, waiting)] == ["cancelled", "cancelled"]
    with pytest.raises(QmdError) as caught:
        office.jobs.start("update", "index")
    assert caught.value.code == "unavailable"
