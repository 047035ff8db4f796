from __future__ import annotations

import sqlite3
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from qmd_daemon.store import changes, chunks, intake, migrations
from qmd_daemon.store.chunks import Span
from tests.unit.qmd_daemon.store.library import DIMENSION, blob, digest, put, put_vectors, space, vector


def test_while_nothing_was_embedded_there_is_no_space(connection: sqlite3.Connection) -> None:
    put(connection, "a.md")
    assert chunks.active(connection) is None
    assert (chunks.count(connection), chunks.vectors(connection), chunks.pending_documents(connection)) == (0, 0, 1)
    assert chunks.ids_in(connection, ["notes"]) == []
    assert chunks.others(connection) == []


def test_a_space_is_found_again_by_its_fingerprint(connection: sqlite3.Connection) -> None:
    one = space(connection, "model-1+a")
    two = space(connection, "model-2+a")
    assert chunks.active(connection) == two
    assert space(connection, "model-1+a") == one == chunks.active(connection)
    assert chunks.others(connection) == [two.id]
    assert one.made_by("model-1")
    assert not one.made_by("model-2")
    assert not one.made_by("model-1+a")
    assert one.dimension == DIMENSION


def test_another_space_takes_the_place_of_the_active_one_when_it_is_complete(connection: sqlite3.Connection) -> None:
    for path in ("a.md", "b.md"):
        put(connection, path)
    one = chunks.prepare(connection, "one+", "a model", DIMENSION)
    assert chunks.active(connection) == one, "nothing is searched yet that it could disturb"
    put_vectors(connection, one, "a.md", [vector(1)])
    two = chunks.prepare(connection, "two+", "another model", DIMENSION)
    assert chunks.active(connection) == one
    put_vectors(connection, two, "a.md", [vector(2)])
    assert not chunks.activate(connection, two.id)
    assert chunks.active(connection) == one
    put_vectors(connection, two, "b.md", [])
    assert chunks.activate(connection, two.id)
    assert chunks.active(connection) == two
    assert chunks.others(connection) == [one.id]
    assert len(chunks.pending(connection, one.id)) == 1, "what the old model made is kept"


def test_a_content_is_pending_in_each_space_until_it_is_put(connection: sqlite3.Connection) -> None:
    one = space(connection, "one+")
    for path in ("b.md", "a.md"):
        put(connection, path)
    put(connection, "copy.md", "b.md")
    assert chunks.pending(connection, one.id) == [digest("b.md"), digest("a.md")]
    assert chunks.pending(connection, one.id, limit=1) == [digest("b.md")]
    put_vectors(connection, one, "b.md", [vector(1)])
    assert chunks.pending(connection, one.id) == [digest("a.md")]
    assert chunks.pending_documents(connection) == 1
    put_vectors(connection, one, "a.md", [])  # nothing in it to embed: done all the same
    assert chunks.pending_documents(connection) == 0
    two = space(connection, "two+")
    assert chunks.pending_documents(connection) == 3
    assert len(chunks.pending(connection, two.id)) == 2


def test_sources_name_the_first_document_and_leave_out_what_nobody_has(connection: sqlite3.Connection) -> None:
    put(connection, "z.md", "text")
    put(connection, "a.md", "text")
    intake.remove(connection, [put(connection, "gone.md")])
    found = chunks.sources(connection, [digest("gone.md"), digest("text")])
    assert found == [chunks.Source(digest("text"), "a.md", "text")]


def test_chunks_are_stored_with_their_places(connection: sqlite3.Connection) -> None:
    where = space(connection)
    document = put(connection, "a.md", "one two")
    spans = [Span(0, 3, 1), Span(4, 7, 2)]
    chunks.put(connection, where.id, digest("one two"), spans, [blob(vector(1)), None])
    found = sorted(chunks.holders(connection, range(10)))
    assert [one[1:] for one in found] == [(document, 0, 3), (document, 4, 7)]
    assert (chunks.count(connection), chunks.vectors(connection)) == (2, 1), "nonsense of a model gets no vector"
    assert chunks.ids_in(connection, ["notes"]) == [found[0][0]]
    assert chunks.ids_in(connection, ["other"]) == []


def test_all_who_hold_a_chunk_are_found_in_order(connection: sqlite3.Connection) -> None:
    where = space(connection)
    copies = [put(connection, "copy.md", "copied", collection=name) for name in ("work", "notes")]
    (chunk,) = put_vectors(connection, where, "copied", [vector(1)])
    assert chunks.holders(connection, [chunk, 99]) == [(chunk, copies[1], 0, 1), (chunk, copies[0], 0, 1)]
    assert [document for _, document, *_ in chunks.holders(connection, [chunk], ["work"])] == [copies[0]]
    assert chunks.holders(connection, []) == []


def test_putting_again_replaces_under_new_ids_and_says_so(connection: sqlite3.Connection) -> None:
    where = space(connection)
    put(connection, "a.md")
    old = put_vectors(connection, where, "a.md", [vector(1), vector(2)])
    seq = changes.newest(connection)
    new = put_vectors(connection, where, "a.md", [vector(3)])
    assert not set(old) & set(new)
    assert chunks.ids_in(connection, ["notes"]) == new
    assert changes.after(connection, "vector", seq, 10)[0] == [*old, *new]


def test_a_content_that_has_gone_meanwhile_is_left_out(connection: sqlite3.Connection) -> None:
    where = space(connection)
    assert put_vectors(connection, where, "never there", [vector(1)]) == []
    assert changes.newest(connection) == 0


def test_spaces_do_not_touch_each_other(connection: sqlite3.Connection) -> None:
    put(connection, "a.md")
    one = space(connection, "one+")
    in_one = put_vectors(connection, one, "a.md", [vector(1)])
    two = space(connection, "two+")
    in_two = put_vectors(connection, two, "a.md", [vector(2), vector(3)])
    assert chunks.ids_in(connection, ["notes"]) == in_two
    assert chunks.forget(connection, one.id, 10)
    assert not chunks.forget(connection, one.id, 10)
    assert [chunk for chunk, *_ in chunks.holders(connection, in_one + in_two)] == in_two
    assert chunks.pending(connection, one.id) == [digest("a.md")]
    assert chunks.pending(connection, two.id) == []


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 1)), max_size=20),
    st.integers(1, 3),
)
def test_forgetting_a_space_leaves_it_as_if_nothing_had_been_put(puts: list[tuple[int, int, int]], step: int) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrations.migrate(connection)
        for number in range(5):
            put(connection, f"{number}.md")
        spaces = [space(connection, f"{name}+") for name in "ab"]
        for content, count, where in puts:
            put_vectors(connection, spaces[where], f"{content}.md", [vector(n) for n in range(count)])
        while chunks.forget(connection, spaces[0].id, step):
            pass
        assert len(chunks.pending(connection, spaces[0].id)) == 5
        left = {content: count for content, count, where in puts if where == 1}
        assert connection.execute("SELECT count(*) FROM chunks").fetchone()[0] == sum(left.values())
        assert connection.execute("SELECT count(*) FROM vectors").fetchone()[0] == sum(left.values())
        assert chunks.vectors(connection) == sum(left.values())
