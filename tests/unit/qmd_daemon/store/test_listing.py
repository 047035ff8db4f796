import hashlib
import sqlite3
from collections.abc import Iterator

import pytest

from qmd_daemon.ingest import scan
from qmd_daemon.store import intake, listing, migrations


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrations.migrate(connection)
    for name in ("notes", "docs"):
        connection.execute("INSERT INTO collections (name, path, pattern) VALUES (?, ?, '')", (name, f"/{name}"))
    for collection, path, text in (
        ("notes", "a.md", "one\ntwo\n"),
        ("notes", "sub/b.md", "bee\n"),
        ("notes", "sub-way.md", "way\n"),
        ("docs", "a.md", "other\n"),
        ("docs", "[1].md", "brackets\n"),
    ):
        digest = hashlib.sha256(text.encode()).hexdigest()
        intake.put(connection, intake.File(collection, path, path.upper(), digest, text, len(text), 5_000_000_000, 1))
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("below", "paths"),
    [("", ["a.md", "sub-way.md", "sub/b.md"]), ("sub", ["sub/b.md"]), ("/sub/", ["sub/b.md"]), ("a.md", ["a.md"])],
)
def test_what_lies_below_a_place(connection: sqlite3.Connection, below: str, paths: list[str]) -> None:
    found = listing.entries(connection, "notes", below, "index")
    assert [row["file"] for row in found] == [f"qmd://notes/{path}" for path in paths]
    assert all(row["modified_at"] == 5.0 for row in found)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("*.md", 4), ("**/*.md", 5), ("notes/**", 3), ("sub/*", 1), ("DOCS/A.md", 1), ("{a,b}.md", 2), ("x*", 0)],
)
def test_a_glob(connection: sqlite3.Connection, pattern: str, expected: int) -> None:
    assert listing.is_glob(pattern) == (pattern != "DOCS/A.md")
    assert len(listing.matching(connection, scan.matcher(pattern))) == expected


def test_a_list_names_each_once_and_says_what_is_wrong(connection: sqlite3.Connection) -> None:
    found, wrong = listing.named(connection, ["notes/a.md", "a.md", "nothing.md", "qmd://notes/a.md"])
    assert [(one.collection, one.path) for one in found] == [("notes", "a.md")]
    assert [(error.code, error.message) for error in wrong] == [
        ("conflict", "'a.md' is 2 documents."),
        ("not_found", "File not found: nothing.md."),
    ]


def test_bodies(connection: sqlite3.Connection) -> None:
    found, _ = listing.named(connection, ["notes/a.md", "sub/b.md"])
    first, second = listing.bodies(connection, found, max_lines=1, max_bytes=5)
    assert first["reason"] == "8 bytes, over the limit of 5"
    assert "body" not in first
    assert (second["body"], second["total_lines"], second["location"]) == ("bee", 1, "/notes/sub/b.md")
    assert next(listing.bodies(connection, found, max_lines=1))["body"] == "one"
