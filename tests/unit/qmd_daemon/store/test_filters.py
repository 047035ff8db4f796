from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.errors import QmdError
from qmd_daemon.ingest.front_matter import metadata
from qmd_daemon.store import filters, intake
from tests.unit.qmd_daemon.store.library import add_collection, digest

DAY_NS = 86_400 * 1_000_000_000
FILES = {
    ("notes", "gpu.md"): "---\ntitle: GPU\ntags: [GPU, cuda]\ndate: 2026-04-10\ndraft: true\n---\ngpu",
    ("notes", "journal/2025.md"): "---\ntags: journal\ndate: 2025-12-31\nauthor:\n  name: Ann\n---\nold",
    ("notes", "plain.md"): "no front matter",
    ("code", "src/main.py"): "print()",
    ("code", "README.md"): "readme",
}
NOON_2026_06_01 = 20_605 * DAY_NS + DAY_NS // 2


@pytest.fixture
def library(connection: sqlite3.Connection) -> sqlite3.Connection:
    for name in ("notes", "code"):
        add_collection(connection, name)
    for (collection, path), text in FILES.items():
        file = intake.File(collection, path, path, digest(text), text, len(text), NOON_2026_06_01, 1, metadata(text))
        intake.put(connection, file)
    return connection


def paths(library: sqlite3.Connection, **asked: object) -> list[str]:
    collections = asked.pop("collections", ())
    ids = filters.documents(library, filters.read(collections, **asked))  # type: ignore[arg-type]
    assert ids is not None
    return [library.execute("SELECT path FROM documents WHERE id = ?", (one,)).fetchone()[0] for one in ids]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"types": ["py"]}, ["src/main.py"]),
        ({"types": [".PY,*.rs"]}, ["src/main.py"]),
        ({"paths": ["*.md"], "collections": ["code"]}, ["README.md"]),
        ({"paths": ["journal/**"]}, ["journal/2025.md"]),
        ({"paths": ["code/src/*"]}, ["src/main.py"]),
        ({"paths": ["gpu.md", "*.py"]}, ["gpu.md", "src/main.py"]),
        ({"where": ["tags=gpu"]}, ["gpu.md"]),
        ({"where": ["tags = journal, CUDA"]}, ["gpu.md", "journal/2025.md"]),
        ({"where": ["tags=gpu", "draft!=true"]}, []),
        ({"where": ["author.name=ann"]}, ["journal/2025.md"]),
        ({"where": ["draft!=true"], "collections": ["notes"]}, ["journal/2025.md", "plain.md"]),
        ({"after": "2026-05"}, ["plain.md", "src/main.py", "README.md"]),
        ({"before": "2026"}, ["journal/2025.md"]),
        ({"after": "2026-04-10", "before": "2026-04-11"}, ["gpu.md"]),
    ],
)
def test_who_passes(library: sqlite3.Connection, asked: dict[str, object], found: list[str]) -> None:
    assert paths(library, **asked) == found


def test_collections_alone_need_no_list_of_documents(library: sqlite3.Connection) -> None:
    assert filters.documents(library, filters.read(["notes"])) is None


@pytest.mark.parametrize(
    "asked",
    [{"after": "yesterday"}, {"before": "2026-13"}, {"after": "2026-02-30"}, {"where": ["tags"]}, {"where": ["=x"]}],
)
def test_what_makes_no_sense_is_refused_with_a_hint(asked: dict[str, object]) -> None:
    with pytest.raises(QmdError) as caught:
        filters.read(**asked)  # type: ignore[arg-type]
    assert caught.value.code == "invalid"
    assert caught.value.hint


@given(st.lists(st.text(max_size=12), max_size=3), st.lists(st.text(max_size=12), max_size=3), st.text(max_size=6))
def test_a_hostile_filter_is_refused_or_finds_nothing_it_should_not(
    globs: list[str], types: list[str], value: str
) -> None:
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        "CREATE TABLE documents (id INTEGER, collection TEXT, path TEXT, hash TEXT, mtime_ns INTEGER);"
        "CREATE TABLE metadata (hash TEXT, key TEXT, value TEXT);"
        "INSERT INTO documents VALUES (1, 'notes', 'a.md', 'h', 0);"
    )
    asked = filters.read(["other"], paths=globs, types=types, where=[f"key=x{value}y"])
    assert filters.documents(connection, asked) == []
    connection.close()


def test_ago_is_counted_from_today() -> None:
    assert filters.read(after="1d").after > filters.read(after="2w").after > filters.read(after="1y").after
