"""The shelf with models that take as much memory as they are told, on a machine of a known size."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from ipc.errors import QmdError
from qmd_daemon.engine import shelf as module
from qmd_daemon.engine.batcher import Batcher, Ticket
from qmd_daemon.engine.fake import Embedder, Expander, Reranker
from qmd_daemon.engine.frames import Embed, Expand, FromWorker, Models, NotLoaded, Request, Rerank
from qmd_daemon.engine.lane import Host, Lane
from qmd_daemon.engine.loading import Loaded, Say
from qmd_daemon.engine.model import Priority, Role
from qmd_daemon.engine.shelf import Shelf

MODELS = {"embedding": Embedder, "reranker": Reranker, "expansion": Expander}


class Machine:
    """Is the loader, and the memory."""

    ceiling_bytes = 0

    def __init__(self) -> None:
        self.memory = self
        self.sizes: dict[Role, int] = {"embedding": 40, "reranker": 40, "expansion": 40}
        self.here: list[Role] = []
        self.loads: list[Role] = []
        self.errors: list[Exception] = []  # what the next loads end with
        self.without_room: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def used_bytes(self) -> int:
        return 10 + sum(self.sizes[role] for role in self.here)

    def free_bytes(self) -> int:
        return 0

    def name(self, role: Role) -> str:
        return f"the {role} model"

    def estimate_bytes(self, role: Role) -> int:
        return self.sizes[role]

    def load(self, role: Role, host: Host, say: Say, no_room: str = "") -> Loaded:
        if no_room:
            self.without_room.append(no_room)
            raise QmdError("unavailable", no_room)
        if self.errors:
            raise self.errors.pop(0)
        self.loads.append(role)
        self.here.append(role)
        machine, model = self, MODELS[role]()
        inner = model.compute

        def compute(*arguments: Any) -> Any:
            machine.entered.set()
            machine.gate.wait()
            return inner(*arguments)

        model.compute = compute
        model.close = lambda: self.here.remove(role)
        lane = Lane(model, Batcher(100, 100), 1, host)
        return Loaded(lane, lane, (model,), "cpu", "int8")


class Desk:
    """Stands for the worker: asks, and hears what is told."""

    def __init__(self, machine: Machine, keep_alive_s: float) -> None:
        self.told: list[FromWorker] = []
        self.heard = threading.Condition()
        self.answers: dict[int, object] = {}
        self.shelf = Shelf(machine, dict.fromkeys(machine.sizes, keep_alive_s), self._tell)
        self._number = 0

    def _tell(self, message: FromWorker) -> None:
        with self.heard:
            self.told.append(message)
            self.heard.notify_all()

    def ask(self, role: Role, keep_alive_s: float | None = None) -> Ticket:
        self._number += 1
        asked: dict[Role, Request] = {
            "embedding": Embed(self._number, Priority.AGENT, ["a"], "query", None, keep_alive_s),
            "reranker": Rerank(self._number, Priority.AGENT, "q", ["a"], None, keep_alive_s),
            "expansion": Expand(self._number, Priority.AGENT, "q", ["lex"], None, keep_alive_s),
        }
        ticket = Ticket(asked[role], self._finish)
        self.shelf.submit(ticket)
        return ticket

    def _finish(self, ticket: Ticket, result: object) -> None:
        self.shelf.done(ticket)
        with self.heard:
            self.answers[ticket.request.id] = "rows" if isinstance(result, list) else result
            self.heard.notify_all()

    def outcome(self, ticket: Ticket) -> object:
        with self.heard:
            assert self.heard.wait_for(lambda: ticket.request.id in self.answers, 30)
        return self.answers[ticket.request.id]

    def wait(self, look: Callable[[], bool]) -> None:
        """Until it is true; looks whenever something is told."""
        with self.heard:
            assert self.heard.wait_for(look, 30)

    def residents(self) -> list[tuple[Role, str]]:
        last = next(message for message in reversed(self.told) if isinstance(message, Models))
        return [(one.role, one.state) for one in last.residents]


@pytest.fixture
def machine() -> Iterator[Machine]:
    machine = Machine()
    yield machine
    machine.gate.set()


def test_a_model_is_loaded_once_however_many_ask(machine: Machine) -> None:
    desk = Desk(machine, 60)
    tickets = [desk.ask(role) for _ in range(20) for role in ("embedding", "reranker", "expansion")]
    assert [desk.outcome(ticket) for ticket in tickets] == ["rows"] * 60
    assert sorted(machine.loads) == ["embedding", "expansion", "reranker"]
    assert [state for _, state in desk.residents()] == ["ready"] * 3


def test_the_one_used_longest_ago_makes_room(machine: Machine) -> None:
    machine.ceiling_bytes = 100
    desk = Desk(machine, 60)
    for role in ("embedding", "reranker", "embedding", "expansion"):
        assert desk.outcome(desk.ask(role)) == "rows"
    assert machine.here == ["embedding", "expansion"]
    assert desk.outcome(desk.ask("reranker")) == "rows"
    assert machine.here == ["expansion", "reranker"]


def test_one_at_work_is_finished_first_and_comes_back_for_those_who_wait(machine: Machine) -> None:
    machine.ceiling_bytes = 60
    machine.gate.clear()
    desk = Desk(machine, 60)
    running = desk.ask("embedding")
    assert machine.entered.wait(30)
    other = desk.ask("reranker")
    desk.wait(lambda: ("reranker", "loading") in desk.residents())
    waiting = desk.ask("embedding")
    machine.gate.set()
    assert [desk.outcome(ticket) for ticket in (running, other, waiting)] == ["rows"] * 3
    assert machine.loads == ["embedding", "reranker", "embedding"]
    assert machine.here == ["embedding"]


def test_what_one_at_work_has_not_begun_waits_for_its_return(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_WAIT_S", 0.0)
    machine.ceiling_bytes = 60
    machine.gate.clear()
    desk = Desk(machine, 60)
    running = desk.ask("embedding")
    assert machine.entered.wait(30)
    queued, other = desk.ask("embedding"), desk.ask("reranker")
    desk.wait(lambda: ("reranker", "loading") in desk.residents())
    monkeypatch.setattr(module, "BUSY_WAIT_S", 30.0)  # or the two would only take turns
    machine.gate.set()
    assert [desk.outcome(ticket) for ticket in (running, other, queued)] == ["rows"] * 3


def test_a_model_that_fits_nowhere_is_refused_with_the_numbers(machine: Machine) -> None:
    machine.ceiling_bytes = 45
    desk = Desk(machine, 60)
    ticket = desk.ask("embedding")
    assert desk.outcome(ticket) is None
    desk.wait(lambda: any(isinstance(message, NotLoaded) for message in desk.told))
    assert machine.loads == []
    assert "the embedding model needs" in machine.without_room[0]
    assert desk.residents() == []


def test_a_load_without_room_is_tried_again_when_there_is_more(machine: Machine) -> None:
    desk = Desk(machine, 60)
    desk.outcome(desk.ask("embedding"))
    machine.errors = [RuntimeError("CUDA failed with error out of memory")]
    assert desk.outcome(desk.ask("reranker")) == "rows"
    assert machine.here == ["reranker"]


def test_what_cannot_be_loaded_is_told_to_all_and_tried_again_for_the_next(
    machine: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(machine, 60)
    machine.errors = [QmdError("no_model", "It is not there.", "Fetch it.")]
    assert desk.outcome(desk.ask("reranker")) is None
    machine.errors = [ValueError("a broken file")]
    assert desk.outcome(desk.ask("reranker")) is None
    desk.wait(lambda: sum(isinstance(message, NotLoaded) for message in desk.told) == 2)
    first, second = (message for message in desk.told if isinstance(message, NotLoaded))
    assert (first.role, first.code, first.hint) == ("reranker", "no_model", "Fetch it.")
    assert "the reranker model cannot be loaded: a broken file" in second.message
    assert desk.outcome(desk.ask("reranker")) == "rows"


def test_a_model_leaves_when_its_time_is_over(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    desk = Desk(machine, 60)
    desk.outcome(desk.ask("embedding"))
    desk.outcome(desk.ask("reranker", keep_alive_s=-1))
    desk.shelf.tick()
    assert machine.here == ["embedding", "reranker"]
    now = 160.0
    desk.shelf.tick()
    desk.wait(lambda: desk.residents() == [("reranker", "ready")])
    now = 1e9
    desk.shelf.tick()
    assert machine.here == ["reranker"]


def test_keep_alive_0_is_for_this_once(machine: Machine) -> None:
    desk = Desk(machine, 60)
    assert desk.outcome(desk.ask("embedding", keep_alive_s=0)) == "rows"
    desk.wait(lambda: desk.residents() == [])
    assert machine.here == []


def test_loading_and_taking_down_on_demand(machine: Machine) -> None:
    desk, done = Desk(machine, 60), []
    finished = threading.Event()

    def answer(error: QmdError | None) -> None:
        done.append(error)
        finished.set()

    for call in (lambda: desk.shelf.load("reranker", -1, answer), lambda: desk.shelf.load("reranker", None, answer)):
        finished.clear()
        call()
        assert finished.wait(30)
        assert machine.here == ["reranker"]
    finished.clear()
    desk.shelf.unload("reranker", answer)
    assert finished.wait(30)
    assert machine.here == []
    assert done == [None] * 3
    finished.clear()
    machine.errors = [QmdError("no_model", "It is not there.")]
    desk.shelf.load("reranker", None, answer)
    assert finished.wait(30)
    assert isinstance(done[3], QmdError)


def test_who_does_not_wait_any_more_is_not_in_the_way(machine: Machine) -> None:
    machine.gate.clear()
    desk = Desk(machine, 60)
    running, dropped = desk.ask("embedding"), desk.ask("embedding")
    assert machine.entered.wait(30)
    dropped.cancel()
    assert desk.outcome(dropped) is None
    machine.gate.set()
    assert desk.outcome(running) == "rows"
    done = threading.Event()
    desk.shelf.unload("embedding", lambda _: done.set())
    assert done.wait(30)


def test_relief_takes_down_what_is_not_at_work(machine: Machine) -> None:
    desk = Desk(machine, 60)
    desk.outcome(desk.ask("reranker"))
    machine.gate.clear()
    machine.entered.clear()
    running = desk.ask("embedding")
    assert machine.entered.wait(30)
    desk.shelf.relieve()
    assert machine.here == ["embedding"]
    machine.gate.set()
    assert desk.outcome(running) == "rows"
