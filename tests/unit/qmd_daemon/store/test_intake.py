from __future__ import annotations

import sqlite3

import pytest

from qmd_daemon.store import changes, documents, intake, meta
from qmd_daemon.store.intake import File, Known
from tests.unit.qmd_daemon.store.library import add_collection, delete, digest, put, put_vectors, space, vector


def file(path: str, text: str, *, title: str = "T", mtime_ns: int = 1, inode: int = 1) -> File:
    return File("notes", path, title, digest(text), text, len(text), mtime_ns, inode)


def touched(connection: sqlite3.Connection, after: int) -> list[int]:
    return changes.after(connection, "document", after, 100)[0]


def test_new_then_unchanged_then_updated_under_one_id(connection: sqlite3.Connection) -> None:
    assert intake.put(connection, file("a.md", "one")) == "new"
    (first,) = touched(connection, 0)
    seq = changes.newest(connection)
    assert intake.put(connection, file("a.md", "one", mtime_ns=2, inode=3)) == "unchanged"
    assert changes.newest(connection) == seq, "what says the same has nothing to be learnt"
    assert intake.known(connection, "notes") == {"a.md": Known(first, 3, 2, 3)}
    assert intake.put(connection, file("a.md", "two")) == "updated"
    assert intake.put(connection, file("a.md", "two", title="Another")) == "updated"
    assert touched(connection, seq) == [first]
    assert documents.by_ids(connection, [first])[first].title == "Another"


def test_what_is_known_is_of_one_collection(connection: sqlite3.Connection) -> None:
    put(connection, "a.md")
    put(connection, "b.md", collection="other")
    assert list(intake.known(connection, "notes")) == ["a.md"]
    assert intake.known(connection, "none") == {}


def test_an_id_is_never_used_again(connection: sqlite3.Connection) -> None:
    first = put(connection, "a.md")
    delete(connection, first)
    assert put(connection, "a.md") > first


def test_a_copy_shares_its_content_until_the_last_is_gone(connection: sqlite3.Connection) -> None:
    one, two = put(connection, "a.md", "same"), put(connection, "b.md", "same")
    put_vectors(connection, space(connection), "same", [vector(1)])
    delete(connection, one)
    assert documents.text(connection, digest("same")) == "same"
    delete(connection, two)
    with pytest.raises(KeyError):
        documents.text(connection, digest("same"))
    assert connection.execute("SELECT count(*) FROM vectors").fetchone() == (0,)


def test_a_file_that_moved_keeps_its_vectors(connection: sqlite3.Connection) -> None:
    old = put(connection, "a.md", "text")
    (chunk,) = put_vectors(connection, space(connection), "text", [vector(1)])
    put(connection, "moved/a.md", "text")
    delete(connection, old)
    assert connection.execute("SELECT chunk FROM vectors").fetchall() == [(chunk,)]


def test_a_content_that_is_used_again_is_not_dropped(connection: sqlite3.Connection) -> None:
    intake.remove(connection, [put(connection, "a.md", "text")])
    unused = intake.unused(connection)
    assert unused == [digest("text")]
    put(connection, "b.md", "text")
    intake.drop(connection, unused)
    assert documents.text(connection, digest("text")) == "text"


def test_orphans_are_documents_without_a_collection(connection: sqlite3.Connection) -> None:
    add_collection(connection, "notes")
    put(connection, "kept.md")
    ids = [put(connection, f"{n}.md", collection="gone") for n in range(3)]
    assert intake.orphans(connection, 2) == ids[:2]
    assert intake.orphans(connection, 10) == ids


def test_finished_says_when(connection: sqlite3.Connection) -> None:
    intake.finished(connection)
    first = float(meta.get(connection, intake.UPDATED))
    intake.finished(connection)
    assert float(meta.get(connection, intake.UPDATED)) >= first > 1e9
