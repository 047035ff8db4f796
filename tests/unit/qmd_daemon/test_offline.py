"""What works with no daemon, on an index that a daemon has written."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import CollectionInfo, DocumentReply, IndexStatus, SearchReply
from qmd_daemon import offline
from qmd_daemon.store import migrations
from qmd_daemon.store.derived import Keeper
from qmd_daemon.store.lexicon import LexiconKind
from tests.unit.qmd_daemon.store.library import add_collection, put
from tests.unit.qmd_daemon.store.library import connect as connect_to


def build(paths: Paths, index: str = "index") -> None:
    directory = paths.index_dir(index)
    with closing(connect_to(directory)) as connection:
        add_collection(connection, "notes")
        add_collection(connection, "work")
        put(connection, "gpu.md", "# GPU\n\nWatch the memory.\n显存监控 here\n", title="GPU")
        put(connection, "plan.md", "memory of the plan\n", collection="work")
        keeper = Keeper(
            os.path.join(directory, "lexical"), LexiconKind(), lambda: connection, lambda: False, lambda *_, **__: None
        )
        keeper.catch_up()
        keeper.close()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    build(Paths.from_environment({"QMD_HOME": str(home)}))
    return home


@pytest.fixture
def paths(original: Path, tmp_path: Path) -> Paths:
    """An installation with an index of two documents."""
    shutil.copytree(original, tmp_path / "a % b?c#d")
    return Paths.from_environment({"QMD_HOME": str(tmp_path / "a % b?c#d")})


def found(paths: Paths, query: str, *collections: str, min_score: float | None = None) -> list[str]:
    reply = msgspec.convert(offline.search(paths, query, collections=collections, min_score=min_score), SearchReply)
    assert (reply.stage, reply.stages[0].name, reply.stages[0].ran) == ("lexical", "lexical", True)
    assert reply.stages[0].count == len(reply.results)
    return [hit.file for hit in reply.results]


def test_words_are_found_with_their_lines(paths: Paths) -> None:
    (hit,) = msgspec.convert(offline.search(paths, "显存"), SearchReply).results
    assert (hit.file, hit.line, hit.title) == ("qmd://notes/gpu.md", 4, "GPU")


def test_a_search_keeps_to_its_collections_and_its_score(paths: Paths) -> None:
    assert sorted(found(paths, "memory")) == ["qmd://notes/gpu.md", "qmd://work/plan.md"]
    assert found(paths, "memory", "work") == ["qmd://work/plan.md"]
    assert found(paths, "nothing-like-it") == []
    assert found(paths, "memory", min_score=0.99) == []
    asked = "memory of zeppelins, quaternions, submarines, marmalade and geography"
    assert found(paths, asked)
    assert offline.search(paths, asked, min_relevance=0.99)["results"] == []
    assert offline.search(paths, asked)["notes"] == ["Nothing here seems relevant."]
    with pytest.raises(QmdError, match="not found: wrok"):
        found(paths, "memory", "wrok")


def test_documents_status_and_collections_have_the_shapes_of_the_protocol(paths: Paths) -> None:
    got = msgspec.convert(offline.get(paths, "gpu.md:3:1"), DocumentReply)
    assert (got.text, got.first_line, got.total_lines) == ("Watch the memory.", 3, 4)
    status = msgspec.convert(offline.status(paths), IndexStatus)
    assert (status.documents, status.pending) == (2, 2)
    assert [one.name for one in msgspec.convert(offline.collections(paths), list[CollectionInfo])] == ["notes", "work"]


def test_another_index_may_be_named_in_the_reference(paths: Paths) -> None:
    build(paths, "work")
    assert offline.get(paths, "qmd://notes/gpu.md?index=work")["file"] == "qmd://notes/gpu.md?index=work"


def test_nothing_is_written(paths: Paths) -> None:
    def files() -> dict[str, bytes]:
        there = (one for one in Path(paths.data).rglob("*") if one.is_file())
        return {str(one): one.read_bytes() for one in there}

    before = files()
    offline.search(paths, "memory")
    offline.get(paths, "gpu.md")
    offline.status(paths)
    after = files()
    changed = {name for name in after if before.get(name) != after[name]}
    assert all(name.endswith(("-wal", "-shm", ".lock")) for name in changed), changed


def test_it_reads_while_another_writes(paths: Paths) -> None:
    with closing(sqlite3.connect(paths.database(), isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM documents")
        assert len(found(paths, "memory")) == 2
        assert offline.get(paths, "gpu.md")["title"] == "GPU"
        writer.execute("ROLLBACK")


def lexical(paths: Paths) -> Path:
    return Path(paths.index_dir()) / "lexical"


def overwrite(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xa5" * (len(data) - 4096))


@pytest.mark.parametrize(
    ("harm", "code", "hint"),
    [
        (lambda paths: shutil.rmtree(paths.data), "not_found", "collection add"),
        (lambda paths: shutil.rmtree(lexical(paths)), "unavailable", "qmd update"),
        (lambda paths: (lexical(paths) / "CURRENT").unlink(), "unavailable", "qmd update"),
        (lambda paths: (lexical(paths) / "g000001" / "meta.json").write_text("{"), "unavailable", "qmd update"),
        (lambda paths: Path(paths.database()).write_bytes(b"no database" * 1000), "unavailable", "qmd update"),
        (lambda paths: overwrite(Path(paths.database())), "unavailable", "qmd update"),
    ],
)
def test_what_is_missing_or_damaged_is_said(
    paths: Paths, harm: Callable[[Paths], object], code: str, hint: str
) -> None:
    harm(paths)
    with pytest.raises(QmdError) as caught:
        offline.search(paths, "memory")
    assert caught.value.code == code
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("version", "hint"),
    [(len(migrations.STEPS) + 1, "Update this program"), (0, "qmd update")],
)
def test_an_index_of_another_program_is_said(paths: Paths, version: int, hint: str) -> None:
    with closing(sqlite3.connect(paths.database())) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(QmdError, match=f"schema {version}") as caught:
        offline.get(paths, "gpu.md")
    assert hint in caught.value.hint


@pytest.mark.parametrize("ref", ["nothing.md", "\udcff.md", "/\0", "qmd://notes/gpu.md?index=none", "#123456"])
def test_what_is_not_there_is_not_found(paths: Paths, ref: str) -> None:
    with pytest.raises(QmdError) as caught:
        offline.get(paths, ref)
    assert caught.value.code == "not_found"


def test_a_query_without_words_for_it_is_invalid(paths: Paths) -> None:
    with pytest.raises(QmdError) as caught:
        offline.search(paths, "vec: meaning only")
    assert caught.value.code == "invalid"
