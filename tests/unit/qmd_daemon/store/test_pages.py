from __future__ import annotations

import sqlite3

import pytest

from qmd_daemon.store import documents, intake, pages, reading
from tests.unit.qmd_daemon.store.library import add_collection, digest, put

TEXT = "\n".join(f"line {number} " + "x" * (number % 40) for number in range(1, 400))
TEXTS = {
    "ends with a newline": TEXT + "\n",
    "ends without one": TEXT,
    "ends with empty lines": TEXT + "\n\n\n",
    "has a line longer than a page": TEXT + "\n" + "y" * 3000 + "\nlast\n",
    "is one line": "z" * 5000,
}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "LONG", 1000)
    monkeypatch.setattr(pages, "PAGE", 500)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_pages_say_what_the_whole_text_does(connection: sqlite3.Connection, text: str) -> None:
    add_collection(connection, "notes")
    put(connection, "a.md", text)
    for first in (1, 2, 17, 30, 250, 399, 400, 401, 500):
        for count in (1, 3, 60, None):
            assert pages.read(connection, digest(text), first, count) == pages.lines(text, first, count)


def test_only_the_pages_of_the_lines_are_read(connection: sqlite3.Connection) -> None:
    add_collection(connection, "notes")
    put(connection, "a.md", TEXT)
    # What is not read may be anything.
    connection.execute("UPDATE pages SET text = 'damaged' WHERE line < 200 AND line > 1")
    connection.execute("UPDATE contents SET text = 'not this'")
    found = reading.document(connection, "qmd://notes/a.md", 300, 5, "index")
    assert found["text"].split("\n") == TEXT.split("\n")[299:304]
    assert found["total_lines"] == 399


def test_a_short_text_has_none_and_is_read_whole(connection: sqlite3.Connection) -> None:
    add_collection(connection, "notes")
    put(connection, "a.md", "one\ntwo\n")
    assert pages.read(connection, digest("one\ntwo\n"), 1, None) is None
    found = reading.document(connection, "qmd://notes/a.md", 2, None, "index")
    assert (found["text"], found["total_lines"]) == ("two", 2)


def test_they_go_with_their_content(connection: sqlite3.Connection) -> None:
    add_collection(connection, "notes")
    document = put(connection, "a.md", TEXT)
    put(connection, "b.md", TEXT)  # the same content: kept once
    assert connection.execute("SELECT count(DISTINCT line) = count(*) FROM pages").fetchone() == (1,)
    other = documents.find(connection, "qmd://notes/b.md")[0].id
    intake.remove(connection, [document, other])
    intake.drop(connection, [digest(TEXT)])
    assert connection.execute("SELECT count(*) FROM pages").fetchone() == (0,)
