from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest

from ipc.errors import QmdError
from qmd_daemon.store.vectors import Vectors
from tests.unit.qmd_daemon.store.library import vector


class Shelf:
    """Stands for the graph and whoever repairs it."""

    def __init__(self) -> None:
        self.repairs: list[tuple[object, str]] = []
        self.graph: Found | None = None
        self.next: Found | None = None
        self.failure: Exception | None = None
        self.vectors = Vectors(lambda: self.graph, self.repair)  # type: ignore[arg-type]

    def repair(self, broken: object, reason: str) -> Future[None]:
        self.repairs.append((broken, reason))
        self.graph = self.next
        future: Future[None] = Future()
        if self.failure:
            future.set_exception(self.failure)
        else:
            future.set_result(None)
        return future


class Found:
    def __init__(self, reason: str = "") -> None:
        self._reason = reason

    def search(self, *_: object) -> list[tuple[int, float]]:
        if self._reason:
            raise RuntimeError(self._reason)
        return [(1, 0.5)]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_a_sound_graph_answers(shelf: Shelf) -> None:
    shelf.graph = Found()
    assert shelf.vectors.search(vector(1), 5) == [(1, 0.5)]
    assert shelf.repairs == []


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_vector_that_is_not_finite_finds_nothing(shelf: Shelf, bad: float) -> None:
    query = vector(1)
    query[0] = bad
    assert shelf.vectors.search(query, 5) == []
    assert shelf.vectors.search(vector(1), 0) == []
    assert shelf.repairs == []


def test_the_first_search_waits_for_the_graph(shelf: Shelf) -> None:
    shelf.next = Found()
    assert shelf.vectors.search(vector(1), 5) == [(1, 0.5)]
    assert shelf.repairs == [(None, "")]


def test_a_graph_that_fails_is_made_again_once(shelf: Shelf) -> None:
    shelf.graph, shelf.next = broken, _ = Found("bad magic"), Found()
    assert shelf.vectors.search(vector(1), 5) == [(1, 0.5)]
    assert shelf.repairs == [(broken, "bad magic")]


def test_where_that_does_not_help_it_says_why(shelf: Shelf) -> None:
    shelf.graph, shelf.next = Found("bad magic"), Found("worse magic")
    with pytest.raises(QmdError, match="worse magic") as caught:
        shelf.vectors.search(vector(1), 5)
    assert caught.value.code == "unavailable"
    assert len(shelf.repairs) == 1


def test_what_takes_too_long_is_said(shelf: Shelf) -> None:
    shelf.failure = TimeoutError()
    with pytest.raises(QmdError, match="too long"):
        shelf.vectors.search(vector(1), 5)


def test_a_full_disk_is_told_as_it_is(shelf: Shelf) -> None:
    shelf.failure = QmdError("unavailable", "The index cannot be used.", "The disk is full.")
    with pytest.raises(QmdError) as caught:
        shelf.vectors.search(vector(1), 5)
    assert caught.value.hint == "The disk is full."
