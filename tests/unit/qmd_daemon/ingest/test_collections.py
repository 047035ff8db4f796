from __future__ import annotations

import asyncio

import pytest

from ipc.errors import QmdError
from qmd_daemon.ingest.collections import drop_unused, remove_orphans
from qmd_daemon.store import documents, intake
from tests.unit.qmd_daemon.ingest.library import Library, write


async def refused(library: Library, path: str, name: str = "", mask: str = "") -> QmdError:
    with pytest.raises(QmdError) as caught:
        await library.collections.add("index", path, name, mask)
    assert library.config() == ""
    return caught.value


async def test_a_directory_is_added_under_its_name(library: Library) -> None:
    assert await library.collections.add("index", str(library.notes)) == "notes"
    (listed,) = await library.collections.list("index")
    assert (listed.name, listed.path, listed.documents) == ("notes", str(library.notes), 0)


async def test_a_name_and_a_mask_may_be_given(library: Library) -> None:
    assert await library.collections.add("index", str(library.notes), "日记", " *.txt, *.{a,b} ") == "日记"
    (listed,) = await library.collections.list("index")
    assert (listed.name, listed.pattern) == ("日记", "*.txt, *.{a,b}")


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("my notes", "my-notes"),
        ("a:b#c?", "a-b-c"),
        ("中文", "中文"),
        ("v1.2_x", "v1.2_x"),
        ("a\nb", "a-b"),
        ("???", "root"),
    ],
)
async def test_what_a_name_must_not_have_is_replaced(library: Library, directory: str, name: str) -> None:
    path = library.notes / directory
    path.mkdir()
    assert await library.collections.add("index", str(path)) == name


@pytest.mark.parametrize("name", ["a b", "a/b", "a:b", "-a", "x" * 65, "a\x1b", "#a", "*"])
async def test_a_name_that_would_mean_something_else_is_refused(library: Library, name: str) -> None:
    error = await refused(library, str(library.notes), name)
    assert error.code == "invalid"
    assert "not a collection name" in error.message


@pytest.mark.parametrize("mask", [",", "{1..100000000}"])
async def test_a_mask_that_means_nothing_is_refused(library: Library, mask: str) -> None:
    assert (await refused(library, str(library.notes), mask=mask)).code == "invalid"


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("{notes}/none", "not_found", "does not exist"),
        ("{notes}/file", "invalid", "not a directory"),
        ("notes", "invalid", "not absolute"),
        ("", "invalid", "not absolute"),
        ("{notes}\0", "invalid", "not UTF-8"),
        ("{notes}/\udcff", "invalid", "not UTF-8"),
        ("/\ud800", "invalid", "not UTF-8"),
    ],
)
async def test_a_path_that_is_no_directory_is_refused(library: Library, path: str, code: str, message: str) -> None:
    write(library.notes / "file", "x")
    error = await refused(library, path.format(notes=library.notes))
    assert error.code == code
    assert message in error.message
    error.message.encode()


async def test_a_name_or_a_directory_cannot_be_taken_twice(library: Library) -> None:
    await library.collections.add("index", str(library.notes))
    for path, name, message in (
        (str(library.notes) + "/", "other", "is collection 'notes' already"),
        (str(library.notes.parent), "notes", "a collection 'notes' already"),
    ):
        with pytest.raises(QmdError, match=message) as caught:
            await library.collections.add("index", path, name)
        assert caught.value.code == "conflict"
    assert await library.collections.add("index", str(library.notes), "texts", "*.txt") == "texts"


async def test_those_added_at_once_are_all_there(library: Library) -> None:
    for number in range(8):
        (library.notes / str(number)).mkdir()
    await asyncio.gather(*(library.collections.add("index", str(library.notes / str(n))) for n in range(8)))
    assert [one.name for one in await library.collections.list("index")] == [str(n) for n in range(8)]


async def test_the_home_directory_may_be_a_tilde(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(library.notes.parent))
    assert await library.collections.add("index", "~/notes") == "notes"
    assert (await library.collections.list("index"))[0].path == str(library.notes)


async def test_what_a_person_writes_into_the_file_counts(library: Library) -> None:
    await library.index()
    library.configure(
        f"global_context: all\ncollections:\n  mine:\n    path: {library.notes}\n    context:\n      /: notes\n",
    )
    assert [one.name for one in await library.collections.list("index")] == ["mine"]
    index = await library.index()
    assert await index.database.read(lambda c: documents.context(c, "mine", "a.md")) == "all\n\nnotes"


async def test_a_file_with_an_error_is_said_and_what_is_indexed_stays(library: Library) -> None:
    await library.collections.add("index", str(library.notes))
    library.configure("collections: [\n")
    with pytest.raises(QmdError, match="line 2"):
        await library.collections.list("index")
    index = await library.index()
    assert len(await index.database.read(documents.collections)) == 1


async def test_removing_forgets_the_documents_and_leaves_the_files(library: Library) -> None:
    write(library.notes / "a.md", "apples")
    await library.collections.add("index", str(library.notes))
    await library.update()
    assert await library.found("apples") == 1
    await library.collections.remove("index", "notes")
    assert await library.collections.list("index") == []
    assert await library.paths_stored() == []
    assert await library.found("apples") == 0
    index = await library.index()
    assert await index.database.read(lambda c: c.execute("SELECT count(*) FROM contents").fetchone()) == (0,)
    assert (library.notes / "a.md").exists()


async def test_removing_what_is_not_there_names_what_is(library: Library) -> None:
    await library.collections.add("index", str(library.notes))
    with pytest.raises(QmdError, match="not found: ntoes") as caught:
        await library.collections.remove("index", "ntoes")
    assert (caught.value.code, caught.value.hint) == ("not_found", "There are: notes.")


async def test_two_indexes_have_collections_of_their_own(library: Library) -> None:
    await library.collections.add("index", str(library.notes))
    assert await library.collections.list("work") == []


async def test_orphans_are_removed_however_many(library: Library) -> None:
    index = await library.index()

    def fill(connection: object) -> None:
        for n in range(450):
            intake.put(connection, intake.File("gone", f"{n}.md", "t", f"{n:064x}", "x", 1, 1, 1))  # type: ignore[arg-type]

    await index.database.write(fill)
    assert await remove_orphans(index) == 450
    await drop_unused(index)
    assert await index.database.read(lambda c: c.execute("SELECT count(*) FROM contents").fetchone()) == (0,)
