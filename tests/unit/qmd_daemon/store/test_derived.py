"""Whatever happens to a derived index, after the next catch-up it equals the truth."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from qmd_daemon.store import changes, derived, generations, meta
from qmd_daemon.store.derived import Keeper, Stopped
from tests.unit.qmd_daemon.store.library import connect, delete, put
from tests.unit.qmd_daemon.store.toy import Killed, Toy, ToyKind, truth


class Life(RuleBasedStateMachine):
    """Documents come and go; the daemon restarts, dies, and finds its files damaged."""

    @initialize(in_place=st.booleans(), step=st.integers(1, 4), save_after=st.integers(1, 6))
    def begin(self, in_place: bool, step: int, save_after: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(derived, "_STEP", step)
        self.patch.setattr(derived, "_SAVE_AFTER", save_after)
        self.patch.setattr(generations.os, "fsync", lambda _: None)  # nobody pulls the plug here
        replace = generations._replace

        def replace_or_die(*args: Any) -> None:
            self.kind.fuse.step()
            replace(*args)
            self.kind.fuse.step()

        self.patch.setattr(generations, "_replace", replace_or_die)
        self.home = tempfile.mkdtemp(prefix="qmd-derived-")
        self.directory = os.path.join(self.home, "toy")
        self.connection = connect(self.home)
        self.kind = ToyKind(in_place=in_place)
        self.names = 0
        self.start()

    def start(self) -> None:
        self.keeper = Keeper(self.directory, self.kind, lambda: self.connection, lambda: False, lambda *_, **__: None)
        self.opened = False

    # -- the truth changes ---------------------------------------------------------------------

    @rule(count=st.integers(1, 6))
    def add(self, count: int) -> None:
        for _ in range(count):
            self.names += 1
            put(self.connection, f"{self.names}.md")

    @rule(data=st.data())
    def change(self, data: st.DataObject) -> None:
        if paths := [row[0] for row in self.connection.execute("SELECT path FROM documents ORDER BY id")]:
            self.names += 1
            put(self.connection, data.draw(st.sampled_from(paths)), f"text {self.names}")

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if ids := sorted(truth(self.connection)):
            delete(self.connection, *data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=3, unique=True)))

    @rule(count=st.integers(1, 9))
    def change_what_is_not_ours(self, count: int) -> None:
        changes.append(self.connection, "vector", range(count), removed=True)

    @rule()
    def prune(self) -> None:
        changes.prune(self.connection, self.keeper.saved_seq)

    # -- the index follows -----------------------------------------------------------------------

    @rule(save=st.booleans())
    def catch_up(self, save: bool) -> None:
        self.keeper.catch_up(save=save)
        self.opened = True
        self.agree()

    @rule(steps=st.integers(0, 25), save=st.booleans(), rebuild=st.booleans())
    def die_at_work(self, steps: int, save: bool, rebuild: bool) -> None:
        self.kind.fuse.left = steps
        try:
            if rebuild:
                self.keeper.rebuild("for the test")
            else:
                self.keeper.catch_up(save=save)
        except Killed:
            self.start()
        finally:
            self.kind.fuse.left = None

    @rule()
    def restart(self) -> None:
        self.keeper.close()
        self.start()

    @rule()
    def start_with_a_newer_program(self) -> None:
        self.keeper.close()
        self.kind.format += 1
        self.start()

    @rule()
    def meet_another_database(self) -> None:
        self.keeper.close()
        meta.put(self.connection, "identity", f"another {self.names}")
        self.start()

    @rule(data=st.data(), how=st.sampled_from(["delete", "empty", "truncate", "flip", "grow"]))
    def find_a_file_damaged(self, data: st.DataObject, how: str) -> None:
        self.keeper.close()
        self.start()
        files = sorted(path for path in Path(self.directory).rglob("*") if path.is_file())
        if files:
            path = data.draw(st.sampled_from(files))
            damage(path, how, data.draw(st.integers(0, 10_000)))

    @precondition(lambda self: self.opened)
    @rule(what=st.sampled_from(["", "CURRENT"]))
    def lose_files_at_work(self, what: str) -> None:
        path = os.path.join(self.directory, what)
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.exists(path):
            os.unlink(path)

    # -- the law ----------------------------------------------------------------------------------

    def agree(self) -> None:
        generation = self.keeper.generation
        assert isinstance(generation, Toy)
        assert generation.items == truth(self.connection)
        assert self.keeper.seq == changes.newest(self.connection)
        current = generations.current(self.directory)
        assert current is not None
        if not self.keeper._unsaved:  # then another process reads the same
            seen = generations.read_seen(current)
            assert seen is not None
            assert seen.files is not None
            assert Toy(current, list(seen.files), self.kind).items == truth(self.connection)

    def teardown(self) -> None:
        if hasattr(self, "keeper"):
            self.catch_up(save=True)
            self.restart()
            self.catch_up(save=True)
            assert sorted(os.listdir(self.directory)) == ["CURRENT", os.path.basename(self.keeper._path)]
            self.connection.close()
            self.patch.undo()
            shutil.rmtree(self.home)


def damage(path: Path, how: str, place: int) -> None:
    """Do to a file what disks and people do."""
    data = path.read_bytes()
    match how:
        case "delete":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "truncate":
            path.write_bytes(data[: place % max(1, len(data))])
        case "grow":
            path.write_bytes(data + b"}")
        case "flip" if data:
            place %= len(data)
            path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])


Life.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
test_it_equals_the_truth_whatever_happens = Life.TestCase


# -- one thing at a time -------------------------------------------------------------------------


class Shelf:
    """A truth, a toy index of it, and keepers that come and go."""

    def __init__(self, home: Path) -> None:
        self.directory = str(home / "toy")
        self.connection = connect(home)
        self.kind = ToyKind(in_place=False)
        self.events: list[dict[str, Any]] = []
        self.stopping = False
        self.open()

    def open(self) -> None:
        self.keeper = Keeper(
            self.directory, self.kind, lambda: self.connection, lambda: self.stopping,
            lambda _, **fields: self.events.append(fields),
        )  # fmt: skip

    def restart(self) -> None:
        self.keeper.close()
        self.open()

    def files(self) -> list[str]:
        return sorted(os.listdir(self.keeper._path))

    @property
    def reasons(self) -> list[str]:
        return [event["reason"] for event in self.events]


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path)
    with closing(shelf.connection):
        put(shelf.connection, "a.md")
        shelf.keeper.catch_up()
        yield shelf


def test_it_says_whether_anything_changed(shelf: Shelf) -> None:
    assert not shelf.keeper.catch_up()
    put(shelf.connection, "b.md")
    assert shelf.keeper.catch_up()
    assert not shelf.keeper.catch_up()
    changes.append(shelf.connection, "vector", [1], removed=False)
    assert not shelf.keeper.catch_up()


def test_what_is_in_step_is_opened_and_not_built_again(shelf: Shelf) -> None:
    put(shelf.connection, "b.md")
    shelf.restart()
    shelf.keeper.catch_up()
    assert shelf.reasons == ["missing"]


@pytest.mark.parametrize(
    ("happen", "reason"),
    [
        (lambda shelf: setattr(shelf.kind, "format", 2), "of another version"),
        (lambda shelf: meta.put(shelf.connection, "identity", "other"), "of another database"),
        (lambda shelf: changes.prune(shelf.connection, changes.newest(shelf.connection) + 5), "too far behind"),
        (lambda shelf: shelf.connection.execute("UPDATE sqlite_sequence SET seq = 0"), "too far behind"),
        (lambda shelf: os.unlink(os.path.join(shelf.directory, "CURRENT")), "missing"),
        (lambda shelf: os.unlink(os.path.join(shelf.keeper._path, "seen.json")), "missing"),
        (lambda shelf: os.unlink(os.path.join(shelf.keeper._path, "shard-1-0")), "damaged: shard-1-0"),
        (lambda shelf: shutil.rmtree(shelf.directory), "missing"),
    ],
)
def test_it_is_built_again_for_a_reason_that_is_logged(
    shelf: Shelf, happen: Callable[[Shelf], object], reason: str
) -> None:
    shelf.keeper.close()
    happen(shelf)
    shelf.open()
    shelf.keeper.catch_up()
    assert shelf.reasons == ["missing", reason]
    assert shelf.keeper.generation.items == truth(shelf.connection)


def test_one_that_was_left_half_changed_is_built_again(shelf: Shelf) -> None:
    shelf.kind.in_place = True
    put(shelf.connection, "b.md")
    shelf.kind.fuse.left = 2  # the change is applied, a file is half written
    with pytest.raises(Killed):
        shelf.keeper.catch_up()
    shelf.kind.fuse.left = None
    shelf.open()
    shelf.keeper.catch_up()
    assert shelf.reasons == ["missing", "left half changed"]


def test_one_that_fails_at_work_is_built_again(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = shelf.keeper.generation

    def fail(*_: object) -> None:
        raise RuntimeError("bad magic")

    monkeypatch.setattr(broken, "put", fail)
    put(shelf.connection, "b.md")
    assert shelf.keeper.catch_up()
    assert shelf.reasons == ["missing", "damaged: bad magic"]
    assert shelf.keeper.generation.items == truth(shelf.connection)


def test_one_that_does_not_count_right_is_built_again(shelf: Shelf) -> None:
    shelf.keeper.generation.items[999] = "nobody put this"
    put(shelf.connection, "b.md")
    shelf.keeper.catch_up()
    assert shelf.reasons == ["missing", "holds 3 of 2"]
    assert shelf.keeper.generation.items == truth(shelf.connection)


def test_one_that_is_worn_is_built_again(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf.keeper.generation, "worn", lambda: True)
    put(shelf.connection, "b.md")
    shelf.keeper.catch_up()
    assert shelf.reasons == ["missing", "worn"]


def test_one_that_cannot_be_built_leaves_the_old_one_in_use(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    old = shelf.keeper.generation
    monkeypatch.setattr(Toy, "count", lambda _: 77)
    with pytest.raises(RuntimeError, match="holds 77 of 1"):
        shelf.keeper.rebuild("for the test")
    assert shelf.keeper.generation is old
    monkeypatch.undo()
    put(shelf.connection, "b.md")
    shelf.keeper.catch_up()
    assert shelf.keeper.generation.items == truth(shelf.connection)


def test_building_stops_when_the_daemon_does(shelf: Shelf) -> None:
    shelf.stopping = True
    with pytest.raises(Stopped):
        shelf.keeper.rebuild("for the test")
    shelf.stopping = False
    shelf.restart()
    shelf.keeper.catch_up()
    assert sorted(os.listdir(shelf.directory)) == ["CURRENT", "g000001"]
    assert shelf.reasons == ["missing"]


def test_what_changes_while_it_is_built_is_in_it(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        put(shelf.connection, f"{number}.md")
    put_, meddled = Toy.put, []

    def meddle(toy: Toy, connection: sqlite3.Connection, ids: Sequence[int]) -> None:
        put_(toy, connection, ids)
        if not meddled:
            meddled.append(1)
            delete(shelf.connection, ids[0])
            put(shelf.connection, "late.md")
            put(shelf.connection, "3.md", "other")

    monkeypatch.setattr(Toy, "put", meddle)
    shelf.keeper.rebuild("for the test")
    assert shelf.keeper.generation.items == truth(shelf.connection)
    assert shelf.keeper.seq == changes.newest(shelf.connection)


def test_a_disk_that_is_full_at_the_end_costs_nothing_but_time(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Toy) -> list[str]:
        raise OSError(28, "No space left on device")

    put(shelf.connection, "b.md")
    shelf.keeper.catch_up(save=False)
    with monkeypatch.context() as patch:
        patch.setattr(Toy, "save", full)
        shelf.keeper.close()
    assert "No space left" in shelf.reasons[-1]
    shelf.open()
    shelf.keeper.catch_up()
    assert shelf.keeper.generation.items == truth(shelf.connection)


def test_a_new_generation_leaves_nothing_of_the_old_one(shelf: Shelf) -> None:
    shelf.keeper.rebuild("for the test")
    assert sorted(os.listdir(shelf.directory)) == ["CURRENT", "g000002"]


def test_a_save_leaves_nothing_of_the_last_one(shelf: Shelf) -> None:
    put(shelf.connection, "b.md")
    shelf.keeper.catch_up()
    assert shelf.files() == ["seen.json", "shard-2-0", "shard-2-1", "shard-2-2"]


def test_unsaved_changes_are_seen_at_once_and_saved_at_the_end(shelf: Shelf) -> None:
    put(shelf.connection, "b.md")
    assert shelf.keeper.catch_up(save=False)
    assert shelf.keeper.generation.items == truth(shelf.connection)
    assert shelf.keeper.saved_seq < shelf.keeper.seq
    shelf.keeper.close()
    assert shelf.keeper.saved_seq == shelf.keeper.seq
    shelf.open()
    assert not shelf.keeper.catch_up()


def test_changes_that_are_not_ours_are_noted_without_writing_our_files(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shelf.files()
    changes.append(shelf.connection, "vector", range(derived._SAVE_AFTER), removed=False)
    shelf.keeper.catch_up(save=False)
    assert shelf.keeper.saved_seq == changes.newest(shelf.connection)
    assert shelf.files() == before
    shelf.restart()
    shelf.keeper.catch_up()
    assert shelf.reasons == ["missing"]
