"""The lexical index against the truth. The mechanism that keeps it in step has its own tests: `test_derived`."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from qmd_daemon.store.derived import Keeper
from qmd_daemon.store.lexical import Clause, LexicalQuery, LexicalReader
from qmd_daemon.store.lexicon import Lexicon, LexiconKind
from tests.unit.qmd_daemon.store.library import connect, delete, put


class Shelf:
    def __init__(self, home: Path) -> None:
        self.directory = str(home / "lexical")
        self.connection = connect(home)
        self.reasons: list[str] = []
        self.open()

    def open(self) -> None:
        self.keeper = Keeper(
            self.directory, LexiconKind(), lambda: self.connection, lambda: False,
            lambda _, **fields: self.reasons.append(fields["reason"]),
        )  # fmt: skip

    def catch_up(self) -> Lexicon:
        self.keeper.catch_up()
        generation = self.keeper.generation
        assert isinstance(generation, Lexicon)
        return generation

    def found(self, word: str, *collections: str) -> set[int]:
        return matching(self.catch_up().reader, word, *collections)


def matching(reader: LexicalReader, word: str, *collections: str) -> set[int]:
    return {number for number, _ in reader.search(LexicalQuery((Clause(word),)), 100, collections)}


def ids(connection: sqlite3.Connection) -> set[int]:
    return {row[0] for row in connection.execute("SELECT id FROM documents")}


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path)
    with closing(shelf.connection):
        yield shelf
        shelf.keeper.close()


def test_an_empty_index_is_searched_and_holds_nothing(shelf: Shelf) -> None:
    assert shelf.found("anything") == set()
    assert shelf.catch_up().count() == 0


def test_it_follows_what_is_put_changed_and_removed(shelf: Shelf) -> None:
    one = put(shelf.connection, "one.md", "apples common")
    two = put(shelf.connection, "two.md", "深度学习 common", collection="work")
    assert shelf.found("common") == {one, two}
    assert shelf.found("学习") == {two}
    assert shelf.found("common", "work") == {two}
    put(shelf.connection, "one.md", "oranges common")
    assert shelf.found("apples") == set()
    assert shelf.found("oranges") == {one}
    delete(shelf.connection, one)
    assert shelf.found("common") == {two}
    assert shelf.catch_up().count() == 1
    assert shelf.reasons == ["missing"], "it follows, and is not built anew for each change"


def test_a_change_that_is_replayed_has_the_effect_of_one(shelf: Shelf) -> None:
    put(shelf.connection, "one.md", "common")
    generation = shelf.catch_up()
    for _ in range(3):
        generation.put(shelf.connection, sorted(ids(shelf.connection)))
    generation.save()
    assert generation.count() == 1
    assert matching(generation.reader, "common") == ids(shelf.connection)


def test_what_was_not_saved_is_not_seen_and_not_kept(shelf: Shelf) -> None:
    generation = shelf.catch_up()
    number = put(shelf.connection, "one.md", "common")
    generation.put(shelf.connection, [number])
    assert matching(generation.reader, "common") == set()
    generation.close()
    shelf.open()
    assert shelf.found("common") == {number}


def test_a_reader_elsewhere_sees_each_save(shelf: Shelf) -> None:
    put(shelf.connection, "one.md", "common")
    shelf.catch_up()
    elsewhere = LexicalReader(shelf.keeper._path)
    put(shelf.connection, "two.md", "common")
    shelf.catch_up()
    assert len(matching(elsewhere, "common")) == 1
    elsewhere.reload()
    assert matching(elsewhere, "common") == ids(shelf.connection)


def test_its_files_are_those_that_it_names(shelf: Shelf) -> None:
    put(shelf.connection, "one.md", "common")
    named = shelf.catch_up().save()
    there = {name for name in os.listdir(shelf.keeper._path) if not name.endswith(".lock")} - {"seen.json"}
    assert set(named) == there


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an index of twenty documents that is in step."""
    home = tmp_path_factory.mktemp("original")
    shelf = Shelf(home)
    for number in range(20):
        put(shelf.connection, f"{number}.md", "common zebra" if number == 7 else f"common {number}")
    shelf.catch_up()
    shelf.keeper.close()
    shelf.connection.close()
    return home


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [flip, empty, Path.unlink])
def test_every_file_may_be_damaged(original: Path, tmp_path: Path, harm: Callable[[Path], object]) -> None:
    files = [path for path in (original / "lexical" / "g000001").iterdir() if path.suffix != ".lock"]
    assert len(files) > 5
    for number, file in enumerate(path for path in files if path.stat().st_size):
        home = tmp_path / str(number)
        shutil.copytree(original, home)
        harm(home / file.relative_to(original))
        shelf = Shelf(home)
        with closing(shelf.connection):
            assert shelf.found("common") == ids(shelf.connection), file.name
            assert shelf.found("zebra") == {8}, file.name
            assert len(shelf.reasons) == 1, file.name
            shelf.keeper.close()
