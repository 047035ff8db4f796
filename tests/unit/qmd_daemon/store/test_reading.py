from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import msgspec
import pytest

from ipc.errors import QmdError
from ipc.protocol import DocumentReply, IndexStatus
from qmd_daemon.store import intake, reading
from tests.unit.qmd_daemon.store.library import add_collection, digest, put, put_vectors, space, vector

TEXT = "one\ntwo\n三\nfour\n"


@pytest.fixture
def library(connection: sqlite3.Connection) -> sqlite3.Connection:
    add_collection(connection, "notes", "/home/me/notes", contexts={"/": "my notes"}, ignore=["x/**"])
    put(connection, "a.md", TEXT, title="Numbers")
    return connection


def lines(connection: sqlite3.Connection, ref: str, first: int | None = None, count: int | None = None) -> tuple:
    found = reading.document(connection, ref, first, count, "index")
    return found["text"], found["first_line"], found["total_lines"]


def test_a_document_is_told_whole(library: sqlite3.Connection) -> None:
    found = reading.document(library, "a.md", None, None, "work")
    assert msgspec.convert(found, DocumentReply) == DocumentReply(
        docid=f"#{digest(TEXT)[:6]}",
        file="qmd://notes/a.md?index=work",
        collection="notes",
        path="a.md",
        title="Numbers",
        text="one\ntwo\n三\nfour",
        first_line=1,
        total_lines=4,
        location=os.path.join("/home/me/notes", "a.md"),
        context="my notes",
    )


def test_lines_are_cut_out_by_the_reference_or_by_numbers_that_win_over_it(library: sqlite3.Connection) -> None:
    assert lines(library, "a.md:3") == ("三\nfour", 3, 4)
    assert lines(library, "a.md:2:2") == ("two\n三", 2, 4)
    assert lines(library, "a.md:2:2", 4, 9) == ("four", 4, 4)
    assert lines(library, "a.md", 3) == ("三\nfour", 3, 4)
    assert lines(library, "a.md", None, 1) == ("one", 1, 4)
    assert lines(library, "a.md:99") == ("", 99, 4)


def test_a_text_without_a_last_newline_has_its_last_line(library: sqlite3.Connection) -> None:
    put(library, "b.md", "one\ntwo")
    put(library, "c.md", "one\n\n")
    assert lines(library, "b.md") == ("one\ntwo", 1, 2)
    assert lines(library, "c.md") == ("one\n", 1, 2)


def test_the_summary_counts_what_is_there(library: sqlite3.Connection, tmp_path: Path) -> None:
    where = space(library)
    put(library, "b.md")
    put_vectors(library, where, TEXT, [vector(1), None])
    intake.finished(library)
    (tmp_path / "lexical").mkdir()
    (tmp_path / "lexical" / "data").write_bytes(b"x" * 1000)
    found = msgspec.convert(reading.summary(library, "index", str(tmp_path)), IndexStatus)
    assert (found.documents, found.chunks, found.vectors, found.pending) == (2, 2, 1, 1)
    assert found.size_bytes == sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert found.updated_at > 1e9
    (collection,) = found.collections
    assert (collection.name, collection.ignore, collection.documents) == ("notes", ["x/**"], 2)


def test_the_collections_to_search_are_those_named_or_those_included(library: sqlite3.Connection) -> None:
    assert reading.chosen(library, []) == []
    add_collection(library, "archive")
    library.execute("UPDATE collections SET included = 0 WHERE name = 'archive'")
    assert reading.chosen(library, []) == ["notes"]
    assert reading.chosen(library, ["archive"]) == ["archive"]
    library.execute("UPDATE collections SET included = 0")
    with pytest.raises(QmdError, match="No collection is searched by default"):
        reading.chosen(library, [])


def test_a_collection_that_is_none_suggests_one_that_is(library: sqlite3.Connection) -> None:
    with pytest.raises(QmdError, match="not found: ntoes") as caught:
        reading.chosen(library, ["notes", "ntoes"])
    assert caught.value.hint == "Did you mean notes?"


def test_without_any_collection_it_says_how_to_add_one(connection: sqlite3.Connection) -> None:
    with pytest.raises(QmdError) as caught:
        reading.chosen(connection, ["notes"])
    assert "collection add" in caught.value.hint
