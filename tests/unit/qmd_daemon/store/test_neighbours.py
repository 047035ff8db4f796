from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.store import chunks, flat, graph, migrations
from qmd_daemon.store.derived import Keeper
from qmd_daemon.store.flat import Flat
from qmd_daemon.store.graph import Graph
from qmd_daemon.store.neighbours import Neighbours, NeighboursKind
from tests.unit.qmd_daemon.store.library import (
    DIMENSION,
    blob,
    connect,
    delete,
    digest,
    put,
    put_vectors,
    space,
    vector,
)  # fmt: skip


def exact(
    connection: sqlite3.Connection, query: np.ndarray, allowed: set[int] | None = None
) -> list[tuple[int, float]]:
    """What a search must find: every vector compared, best first."""
    found = []
    for chunk, stored in connection.execute("SELECT chunk, vector FROM vectors"):
        row = np.frombuffer(stored, "<f2").astype(np.float32)
        if allowed is None or chunk in allowed:
            found.append((chunk, float(row @ query / np.linalg.norm(row) / np.linalg.norm(query))))
    return sorted(found, key=lambda hit: (-hit[1], hit[0]))


def agree(found: list[tuple[int, float]], wanted: list[tuple[int, float]]) -> None:
    assert [score for _, score in found] == pytest.approx([score for _, score in wanted], abs=2e-3)
    scores = dict(wanted)
    assert all(score == pytest.approx(scores[chunk], abs=2e-3) for chunk, score in found)


both = pytest.mark.parametrize("kind", [Flat, Graph])


@pytest.fixture(params=[Flat, Graph])
def filled(
    request: pytest.FixtureRequest, connection: sqlite3.Connection, tmp_path: Path
) -> tuple[sqlite3.Connection, Neighbours]:
    """Three hundred chunks of thirty contents."""
    where = space(connection)
    for content in range(30):
        put(connection, f"{content}.md", collection=f"c{content % 3}")
        put_vectors(connection, where, f"{content}.md", [vector(100 * content + n) for n in range(10)])
    (tmp_path / "g").mkdir()
    filled: Neighbours = request.param(str(tmp_path / "g"), where, [])
    filled.put(connection, range(1, 301))
    return connection, filled


def test_it_finds_what_comparing_with_all_finds(filled: tuple[sqlite3.Connection, Neighbours]) -> None:
    connection, graph = filled
    for seed in range(7000, 7010):
        agree(graph.search(vector(seed), 20, None), exact(connection, vector(seed))[:20])
    assert len(graph.search(vector(1), 1000, None)) == 300


def test_the_length_of_a_query_does_not_matter(filled: tuple[sqlite3.Connection, Neighbours]) -> None:
    connection, graph = filled
    agree(graph.search(5 * vector(1), 5, None), exact(connection, vector(1))[:5])
    agree(graph.search(5 * vector(1), 5, np.arange(1, 301)), exact(connection, vector(1))[:5])


@pytest.mark.parametrize("exact_max", [10_000, 50])
def test_a_filter_is_exact_however_narrow(
    filled: tuple[sqlite3.Connection, Neighbours], exact_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, filled_graph = filled
    monkeypatch.setattr(graph, "EXACT_MAX", exact_max)
    monkeypatch.setattr(flat, "_FEW", min(exact_max, 1000))
    every = chunks.ids_in(connection, ["c1"])
    for allowed in (every, every[::10], every[:1], [5000, 6000], []):
        found = filled_graph.search(vector(9), 8, np.array(allowed, np.int64))
        agree(found, exact(connection, vector(9), set(allowed))[:8])


def test_what_is_usual_is_what_all_have_in_the_mean(filled: tuple[sqlite3.Connection, Neighbours]) -> None:
    connection, graph = filled
    query = vector(7).astype(np.float32)
    some = np.arange(1, 101, dtype=np.int64)
    for allowed, margin in ((None, 0.02), (some, 0.002)):  # 256 of 300 are a sample, 100 are all
        cosines = [cosine for _, cosine in exact(connection, query, None if allowed is None else set(allowed.tolist()))]
        usual, spread = graph.usual(query, allowed)
        assert usual == pytest.approx(np.mean(cosines), abs=margin)
        assert spread == pytest.approx(np.std(cosines), abs=margin)
        assert graph.usual(query, allowed) == (usual, spread)


def test_nothing_is_usual_where_there_is_nothing(filled: tuple[sqlite3.Connection, Neighbours]) -> None:
    _, graph = filled
    assert graph.usual(vector(7).astype(np.float32), np.array([], np.int64)) == (0.0, 0.0)
    assert graph.usual(np.ones(DIMENSION + 1, np.float32), None) == (0.0, 0.0)


@both
def test_equal_scores_are_ordered_by_number(
    connection: sqlite3.Connection, tmp_path: Path, kind: type[Neighbours]
) -> None:
    where = space(connection)
    put(connection, "a.md")
    ids = put_vectors(connection, where, "a.md", [vector(1)] * 9)
    same = kind(str(tmp_path), where, [])
    same.put(connection, ids)
    assert [chunk for chunk, _ in same.search(vector(1), 9, None)] == ids
    assert [chunk for chunk, _ in same.search(vector(1), 4, np.array(ids))] == ids[:4]


def test_what_cannot_be_compared_finds_nothing(filled: tuple[sqlite3.Connection, Neighbours], tmp_path: Path) -> None:
    _, filled_graph = filled
    assert filled_graph.search(vector(1, DIMENSION + 1), 5, None) == []
    kind = type(filled_graph)
    assert kind(str(tmp_path), None, []).search(vector(1), 5, None) == []
    assert kind(str(tmp_path), chunks.Space(1, "m+", "m", DIMENSION), []).search(vector(1), 5, None) == []


def test_a_query_without_direction_is_no_error(filled: tuple[sqlite3.Connection, Neighbours]) -> None:
    _, filled_graph = filled
    nothing = np.zeros(DIMENSION, np.float32)
    for allowed in (None, np.arange(1, 301)):
        found = filled_graph.search(nothing, 5, allowed)
        assert len(found) == 5
        assert np.isfinite([score for _, score in found]).all()


@both
def test_a_vector_that_is_not_finite_is_refused(
    connection: sqlite3.Connection, tmp_path: Path, kind: type[Neighbours]
) -> None:
    where = space(connection)
    put(connection, "a.md")
    bad = vector(1)
    bad[3] = np.nan
    ids = put_vectors(connection, where, "a.md", [vector(2), bad])
    with pytest.raises(ValueError, match="not finite"):
        kind(str(tmp_path), where, []).put(connection, ids)


def test_a_file_of_another_dimension_is_refused(filled: tuple[sqlite3.Connection, Neighbours]) -> None:
    _, filled_graph = filled
    names = filled_graph.save()
    with pytest.raises(ValueError, match=f"{DIMENSION} dimensions"):
        type(filled_graph)(filled_graph._path, chunks.Space(1, "m+", "m", DIMENSION + 8), names)


def test_what_is_saved_is_what_is_loaded(filled: tuple[sqlite3.Connection, Neighbours]) -> None:
    _, saved = filled
    loaded = type(saved)(saved._path, saved._space, saved.save())
    assert loaded.count() == saved.count() == 300
    assert loaded.search(vector(3), 20, None) == saved.search(vector(3), 20, None)


@both
@given(actions=st.lists(st.tuples(st.sampled_from(["put", "drop", "replay", "save"]), st.integers(0, 5)), max_size=25))
def test_after_any_changes_it_holds_what_the_truth_holds(
    tmp_path_factory: pytest.TempPathFactory, kind: type[Neighbours], actions: list[tuple[str, int]]
) -> None:
    home = tmp_path_factory.mktemp("graph", numbered=True)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrations.migrate(connection)
        where = space(connection)
        one = kind(str(home), where, [])
        seen = 0
        for number, (action, which) in enumerate(actions):
            if action == "put":
                put(connection, f"{which}.md")
                put_vectors(connection, where, f"{which}.md", [vector(100 * number + n) for n in range(which)])
            elif action == "drop":
                chunks.remove(connection, [digest(f"{which}.md")])
            elif action == "replay":
                seen = max(0, seen - which)
            else:
                names = one.save()
                one = kind(str(home), where, names)
            touched = connection.execute("SELECT item FROM changes WHERE seq > ? AND kind = 'vector'", (seen,))
            if ids := list(dict.fromkeys(row[0] for row in touched)):
                one.put(connection, ids)
            seen = connection.execute("SELECT coalesce(max(seq), 0) FROM changes").fetchone()[0]
        assert one.count() == chunks.vectors(connection)
        agree(one.search(vector(1), 100, None), exact(connection, vector(1)))


# -- as it is kept -----------------------------------------------------------------------------------


class Shelf:
    def __init__(self, home: Path) -> None:
        self.directory = home / "vectors"
        self.connection = connect(home)
        self.reasons: list[str] = []
        self.open()

    def open(self) -> None:
        self.keeper = Keeper(
            str(self.directory), NeighboursKind(), lambda: self.connection, lambda: False,
            lambda _, **fields: self.reasons.append(fields["reason"]),
        )  # fmt: skip

    def check(self) -> None:
        self.keeper.catch_up()
        generation = self.keeper.generation
        assert isinstance(generation, Flat | Graph)
        assert generation.count() == chunks.vectors(self.connection)
        agree(generation.search(vector(1), 100, None), exact(self.connection, vector(1)))


@pytest.fixture(params=[Flat, Graph])
def shelf(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    if request.param is Graph:
        monkeypatch.setattr(flat, "FLAT_MAX", 7)
    shelf = Shelf(tmp_path)
    with closing(shelf.connection):
        where = space(shelf.connection)
        for content in range(5):
            put(shelf.connection, f"{content}.md")
            put_vectors(shelf.connection, where, f"{content}.md", [vector(10 * content + n) for n in range(4)])
        shelf.check()
        assert type(shelf.keeper.generation) is request.param
        yield shelf


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_a_flipped_byte_is_noticed_though_usearch_would_load_it(shelf: Shelf, share: float) -> None:
    shelf.keeper.close()
    (file,) = shelf.directory.rglob("vectors-*")
    data = bytearray(file.read_bytes())
    data[int(share * len(data))] ^= 0x40
    file.write_bytes(data)
    shelf.open()
    shelf.check()
    assert shelf.reasons == ["missing", f"damaged: {file.name}"]


def test_a_truncated_file_is_noticed(shelf: Shelf) -> None:
    shelf.keeper.close()
    (file,) = shelf.directory.rglob("vectors-*")
    file.write_bytes(file.read_bytes()[:100])
    shelf.open()
    shelf.check()


def test_another_model_gets_another_graph(shelf: Shelf) -> None:
    old = chunks.active(shelf.connection)
    assert old is not None
    new = space(shelf.connection, "model-2+cut", 2 * DIMENSION)
    shelf.keeper.catch_up()
    assert isinstance(shelf.keeper.generation, Flat | Graph)
    assert shelf.keeper.generation.count() == 0
    ids = put_vectors(shelf.connection, new, "1.md", [vector(5, 2 * DIMENSION)])
    chunks.forget(shelf.connection, old.id, 100)
    shelf.keeper.catch_up()
    assert [chunk for chunk, _ in shelf.keeper.generation.search(vector(5, 2 * DIMENSION), 5, None)] == ids
    assert shelf.reasons == ["missing", "of another version"]


def test_vectors_that_are_gone_are_not_found(shelf: Shelf) -> None:
    delete(shelf.connection, 1, 2, 3)
    shelf.check()
    delete(shelf.connection, 4, 5)
    shelf.keeper.catch_up()
    assert isinstance(shelf.keeper.generation, Flat | Graph)
    assert shelf.keeper.generation.search(vector(1), 5, None) == []
    shelf.keeper.close()
    shelf.open()
    put(shelf.connection, "6.md")
    active = chunks.active(shelf.connection)
    assert active is not None
    put_vectors(shelf.connection, active, "6.md", [vector(6)])
    shelf.check()


@pytest.mark.parametrize("shelf", [Graph], indirect=True)
def test_a_graph_of_mostly_waste_is_made_anew(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "EXACT_MAX", 2)
    delete(shelf.connection, 1, 2, 3)
    shelf.keeper.catch_up()
    assert shelf.reasons == ["missing", "worn"]
    assert isinstance(shelf.keeper.generation, Graph)
    shelf.check()


@pytest.mark.parametrize("shelf", [Flat], indirect=True)
def test_many_vectors_get_a_graph_and_few_are_compared_again(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flat, "FLAT_MAX", 21)
    active = chunks.active(shelf.connection)
    assert active is not None
    put(shelf.connection, "5.md")
    put_vectors(shelf.connection, active, "5.md", [vector(50 + n) for n in range(4)])
    shelf.check()
    assert isinstance(shelf.keeper.generation, Graph)
    delete(shelf.connection, 1, 2)
    shelf.check()
    assert isinstance(shelf.keeper.generation, Graph), "one more, or one less, is not built anew each time"
    delete(shelf.connection, 3, 4)
    shelf.check()
    assert isinstance(shelf.keeper.generation, Flat)
    assert shelf.reasons == ["missing", "worn", "worn"]


def test_a_stored_vector_is_half_precision(shelf: Shelf) -> None:
    (stored,) = shelf.connection.execute("SELECT vector FROM vectors LIMIT 1").fetchone()
    assert stored == blob(vector(0))
