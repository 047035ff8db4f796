import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from qmd_daemon.ingest import absent
from qmd_daemon.store import migrations


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    for name in ("archive/old.md", "new.md", "picture.jpg", ".hidden.md", "node_modules/x.md"):
        place = tmp_path / name
        place.parent.mkdir(exist_ok=True)
        place.touch()
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrations.migrate(connection)
    connection.execute(
        "INSERT INTO collections (name, path, pattern, ignore) VALUES ('notes', ?, '**/*.md', ?)",
        (str(tmp_path), json.dumps(["*.tmp", "archive/**"])),
    )
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("notes/archive/old.md", "qmd://notes/archive/old.md is excluded by ignore rule 'archive/**'."),
        ("qmd://notes/archive/old.md?index=work", "ignore rule"),
        ("archive/old.md", "ignore rule"),
        ("{root}/archive/old.md", "ignore rule"),
        ("new.md", "not indexed yet"),
        ("picture.jpg", "does not match the collection's pattern, **/*.md"),
        (".hidden.md", "hidden"),
        ("node_modules/x.md", "generated"),
    ],
)
def test_why(connection: sqlite3.Connection, tmp_path: Path, ref: str, message: str) -> None:
    error = absent.explain(connection, ref.format(root=tmp_path), "/")
    assert error is not None
    assert error.code == "not_found"
    assert message in error.message


def test_from_the_working_directory(connection: sqlite3.Connection, tmp_path: Path) -> None:
    error = absent.explain(connection, "old.md", str(tmp_path / "archive"))
    assert "ignore rule" in str(error)


@pytest.mark.parametrize("ref", ["nothing.md", "notes/nothing.md", "/etc/passwd", "notes/../../etc/passwd", "#123456"])
def test_where_there_is_no_such_file_there_is_nothing_to_say(connection: sqlite3.Connection, ref: str) -> None:
    assert absent.explain(connection, ref, "/") is None
