from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ipc.errors import QmdError
from qmd_daemon.store import documents, meta, migrations
from tests.unit.qmd_daemon.store.library import add_collection, delete, digest, put

TEXT = "# 深度学习\n"
PATHS = ("guide.md", "deep/guide.md", "deep/notes.md", "a:1.md", "time:12", "time:12:3", "中文 笔记.md", "it's.md")


@pytest.fixture
def library(connection: sqlite3.Connection) -> sqlite3.Connection:
    add_collection(connection, "notes", "/srv/me/notes")
    add_collection(connection, "work", "/srv/me/notes/work")
    for path in PATHS:
        put(connection, path, TEXT if path == "deep/notes.md" else "")
    put(connection, "notes.md", collection="work")
    put(connection, "plan.md", collection="work")
    return connection


def found(connection: sqlite3.Connection, ref: str) -> tuple[str, int | None, int | None]:
    document, line, count = documents.find(connection, ref)
    return f"{document.collection}/{document.path}", line, count


@pytest.mark.parametrize(
    "ref",
    [
        "qmd://notes/deep/notes.md",
        "//notes/deep/notes.md",
        "notes/deep/notes.md",
        "./notes/deep/notes.md",
        "deep/notes.md",
        "/srv/me/notes/deep/notes.md",
        "/srv/me/notes/./x/../deep/notes.md",
        f"#{digest(TEXT)[:6]}",
        f"#{digest(TEXT)}",
        digest(TEXT)[:8],
        digest(TEXT)[:6].upper(),
        "  'deep/notes.md' ",
        '"qmd://notes/deep/notes.md"',
    ],
)
@pytest.mark.parametrize(("suffix", "line", "count"), [("", None, None), (":7", 7, None), (":7:20", 7, 20)])
def test_every_way_to_say_it_means_the_same_document(
    library: sqlite3.Connection, ref: str, suffix: str, line: int | None, count: int | None
) -> None:
    quote = ref.strip()[-1] if ref.strip()[-1] in "'\"" else ""
    said = f"{ref.rstrip().removesuffix(quote)}{suffix}{quote}" if suffix else ref
    assert found(library, said) == ("notes/deep/notes.md", line, count)


def test_the_home_directory_may_be_written_as_a_tilde(
    library: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/srv/me")
    assert found(library, "~/notes/guide.md:3") == ("notes/guide.md", 3, None)


def test_a_path_through_a_link_is_the_file_it_leads_to(connection: sqlite3.Connection, tmp_path: Path) -> None:
    root = tmp_path / "real"
    root.mkdir()
    (root / "a.md").write_text("a")
    (tmp_path / "link").symlink_to(root)
    add_collection(connection, "notes", str(root))
    put(connection, "a.md")
    assert found(connection, str(tmp_path / "link" / "a.md"))[0] == "notes/a.md"


def test_of_collections_that_overlap_the_deepest_is_meant(library: sqlite3.Connection) -> None:
    put(library, "work/plan.md", "the same file")
    assert found(library, "/srv/me/notes/work/plan.md")[0] == "work/plan.md"


def test_what_is_literally_there_wins_over_a_suffix(library: sqlite3.Connection) -> None:
    assert found(library, "time:12") == ("notes/time:12", None, None)
    assert found(library, "time:12:3") == ("notes/time:12:3", None, None)
    assert found(library, "time:12:4") == ("notes/time:12", 4, None)
    assert found(library, "time:12:4:5") == ("notes/time:12", 4, 5)
    assert found(library, "a:1.md:2") == ("notes/a:1.md", 2, None)


def test_the_end_of_a_path_is_enough_at_a_slash(library: sqlite3.Connection) -> None:
    assert found(library, "plan.md")[0] == "work/plan.md"
    put(library, "a/b/c.md")
    assert found(library, "b/c.md")[0] == "notes/a/b/c.md"
    with pytest.raises(QmdError, match="no document"):
        found(library, "lan.md")


def test_a_whole_path_wins_over_the_end_of_another(library: sqlite3.Connection) -> None:
    assert found(library, "guide.md")[0] == "notes/guide.md"


def test_what_may_be_two_is_a_conflict_that_names_them(library: sqlite3.Connection) -> None:
    put(library, "x/same.md", "1")
    put(library, "y/same.md", "2", collection="work")
    with pytest.raises(QmdError, match="2 documents") as caught:
        found(library, "same.md:3")
    assert caught.value.code == "conflict"
    assert "qmd://notes/x/same.md" in caught.value.hint
    assert "qmd://work/y/same.md" in caught.value.hint


def test_an_address_that_tobi_qmd_once_wrote_leads_on(library: sqlite3.Connection) -> None:
    for ref in ("qmd://notes/中文-笔记.md", "notes/中文-笔记.md:3", "//notes/it-s.md"):
        document, _, _ = documents.find(library, ref)
        assert document.path in {"中文 笔记.md", "it's.md"}
    put(library, "Old Plan.md", collection="work")
    assert found(library, "qmd://work/old-plan.md")[0] == "work/Old Plan.md", "the oldest wrote them small"
    put(library, "old_plan.md", collection="work")
    with pytest.raises(QmdError, match="is 2 documents") as error:
        documents.find(library, "qmd://work/old-plan.md")
    assert error.value.code == "conflict"
    for other in ("qmd://notes/old-plan.md", "old-plan.md", "/srv/me/notes/it-s.md"):
        with pytest.raises(QmdError, match="There is no document"):
            documents.find(library, other)


def test_copies_have_one_docid_and_the_first_is_meant(library: sqlite3.Connection) -> None:
    put(library, "zz.md", "copied")
    put(library, "aa.md", "copied")
    assert found(library, documents.docid(digest("copied")))[0] == "notes/aa.md"


def test_a_docid_of_two_contents_is_a_conflict(library: sqlite3.Connection) -> None:
    library.execute("INSERT INTO contents VALUES ('abcdef1', 'x'), ('abcdef2', 'y')")
    for number in "12":
        library.execute(
            "INSERT INTO documents (collection, path, title, hash, size, mtime_ns, inode, indexed_at)"
            f" VALUES ('notes', 'd{number}.md', '', 'abcdef{number}', 1, 1, 1, 1)"
        )
    with pytest.raises(QmdError, match="2 documents"):
        found(library, "#abcdef")
    assert found(library, "#abcdef2")[0] == "notes/d2.md"
    with pytest.raises(QmdError, match="no document"):
        found(library, "#abcde")  # too short to mean one


def test_what_is_not_there_suggests_what_is_near(library: sqlite3.Connection) -> None:
    with pytest.raises(QmdError, match="no document") as caught:
        found(library, "notes/giude.md:12")
    assert caught.value.code == "not_found"
    assert "qmd://notes/guide.md" in caught.value.hint
    with pytest.raises(QmdError) as caught:
        found(library, "zzzzzzzzzzzz")
    assert caught.value.hint == ""


def test_another_index_may_be_named(library: sqlite3.Connection) -> None:
    assert found(library, "qmd://notes/guide.md?index=work:3") == ("notes/guide.md", 3, None)
    assert documents.index_of("qmd://notes/guide.md?index=work:3:4") == "work"
    assert documents.index_of("qmd://notes/guide.md") is None
    assert documents.index_of("notes/guide.md?index=work") is None
    assert documents.uri("notes", "guide.md", "work") == "qmd://notes/guide.md?index=work"
    assert documents.uri("notes", "中文.md") == "qmd://notes/中文.md"


@pytest.fixture(scope="module")
def shared() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrations.migrate(connection)
        add_collection(connection, "notes", "/srv/me/notes")
        for path in PATHS:
            put(connection, path)
        yield connection


@given(st.text(max_size=40) | st.text(":/#?=~.\0\ud800qmd'\"\\%_*0 1aæ中", max_size=12))
@example("%")
@example("' OR 1=1 --")
@example("/\0")
@example("~/\udcff")
@example("#" + "f" * 500)
@example("guide.md:" + "9" * 500)
@example(":1:2")
@example("")
def test_whatever_is_asked_is_found_or_not_found(shared: sqlite3.Connection, ref: str) -> None:
    error = None
    try:
        document, line, count = documents.find(shared, ref)
    except QmdError as refused:
        error = refused
    if error is None:
        assert (document.path in PATHS, line is None and count is not None) == (True, False)
    else:
        assert error.code in {"not_found", "conflict"}
        assert error.message.encode()


hostile = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30).filter(
    lambda name: not name.startswith("/")
)


@given(hostile)
def test_every_name_that_is_stored_is_found_by_its_address(shared: sqlite3.Connection, path: str) -> None:
    there = shared.execute("SELECT 1 FROM documents WHERE path = ?", (path,)).fetchone()
    number = put(shared, path)
    try:
        assert documents.find(shared, documents.uri("notes", path))[0].id == number
        document, line, _ = documents.find(shared, f"{documents.uri('notes', path)}:5")
        assert (document.path, line) in {(path, 5), (f"{path}:5", None)}
    finally:
        if there is None:
            delete(shared, number)


# -- context, lists ----------------------------------------------------------------------------


def test_contexts_go_from_the_general_to_the_special(connection: sqlite3.Connection) -> None:
    contexts = {"/journal/2026": "that year", "": "all notes", "journal": "a diary", "/jour": "not a directory of it"}
    add_collection(connection, "notes", contexts=contexts)
    add_collection(connection, "bare")
    assert documents.context(connection, "notes", "journal/2026/may.md") == "all notes\n\na diary\n\nthat year"
    assert documents.context(connection, "notes", "journal/2025/may.md") == "all notes\n\na diary"
    assert documents.context(connection, "notes", "journalist.md") == "all notes"
    assert documents.context(connection, "bare", "journal/x.md") == ""
    meta.put(connection, "global_context", "everything")
    assert documents.context(connection, "notes", "x.md") == "everything\n\nall notes"
    assert documents.context(connection, "bare", "x.md") == "everything"


def test_a_slash_is_the_whole_collection(connection: sqlite3.Connection) -> None:
    add_collection(connection, "notes", contexts={"/": "all"})
    assert documents.context(connection, "notes", "deep/x.md") == "all"


def test_collections_are_listed_with_their_documents(library: sqlite3.Connection) -> None:
    notes, work = documents.collections(library)
    assert (notes.name, notes.documents, notes.included) == ("notes", len(PATHS), True)
    assert (work.name, work.documents) == ("work", 2)


def test_a_text_is_there_or_not(library: sqlite3.Connection) -> None:
    assert documents.text(library, digest("guide.md")) == "guide.md"
    with pytest.raises(KeyError):
        documents.text(library, "0" * 64)
