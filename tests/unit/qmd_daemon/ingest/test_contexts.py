"""Contexts and the other edits of an index.yml: what a person wrote around them stays."""

from pathlib import Path

import pytest

from ipc.errors import QmdError
from qmd_daemon.ingest import contexts
from qmd_daemon.ingest.index_file import IndexFile

TEXT = """\
# my notes
collections:
  notes: # the private ones
    path: /n
    pattern: "**/*.md" # all of them
    context:
      # by year
      /: Notes
      /2026/: This year
  2024: # a number for YAML
    path: /n/old
    context: Old
    unknown: [kept]
"""


@pytest.fixture
def file(tmp_path: Path) -> IndexFile:
    (tmp_path / "index.yml").write_text(TEXT)
    return IndexFile(str(tmp_path / "index.yml"))


def saved(file: IndexFile) -> str:
    file.save()
    return Path(file.path).read_text()


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("/", "/"),
        ("qmd://notes", "qmd://notes"),
        ("//notes/a/", "qmd://notes/a"),
        ("notes/a", "qmd://notes/a"),
        ("/n", "qmd://notes"),
        ("/n/a/b.md", "qmd://notes/a/b.md"),
        ("/n/old/a", "qmd://2024/a"),
        ("/n/older", "qmd://notes/older"),
    ],
)
def test_what_a_place_means(file: IndexFile, place: str, address: str) -> None:
    assert contexts.put(file, place, "some\n text") == address
    everywhere, below = file.global_context, [text for each in file.collections for text in each.contexts.values()]
    assert (everywhere == "some text") != ("some text" in below)
    assert contexts.put(file, place, "") == address


@pytest.mark.parametrize(
    ("place", "text", "message"),
    [
        ("qmd://zzz/a", "x", "not found: zzz"),
        ("/elsewhere", "x", "in no collection"),
        ("notes/zzz", "", "not found for"),
    ],
)
def test_places_that_are_none(file: IndexFile, place: str, text: str, message: str) -> None:
    with pytest.raises(QmdError, match=message) as error:
        contexts.put(file, place, text)
    assert error.value.code == "not_found"


def test_a_context_is_changed_where_it_stands(file: IndexFile) -> None:
    contexts.put(file, "qmd://notes/2026", "Another")
    contexts.put(file, "qmd://2024/q1", "First quarter")
    assert saved(file) == TEXT.replace("This year", "Another").replace(
        "context: Old\n", "context:\n      /: Old\n      /q1: First quarter\n"
    )


def test_the_last_context_takes_the_key_with_it(file: IndexFile) -> None:
    contexts.put(file, "qmd://2024", "")
    assert saved(file) == TEXT.replace("    context: Old\n", "")


def test_a_rename_keeps_place_and_comments(file: IndexFile) -> None:
    file.rename("notes", "diary")
    assert [each.name for each in file.collections] == ["diary", "2024"]
    file.rename("2024", "old")
    assert saved(file) == TEXT.replace("notes: #", "diary: #").replace(
        "2024: #", "old:  #"
    )  # comments keep their column


def test_changes_come_and_go(file: IndexFile) -> None:
    file.change("2024", included=False, update="git pull")
    assert (file.named("2024").included, file.named("2024").update) == (False, "git pull")
    assert "includeByDefault: false" in saved(file)
    file.change("2024", included=True, update="")
    assert saved(file) == TEXT + "    includeByDefault: true\n"


@pytest.mark.parametrize("key", ["editor_uri", "editor_uri_template", "editorUri", "editor-uri"])
def test_the_editor(file: IndexFile, key: str) -> None:
    Path(file.path).write_text(f"{key}: x://{{path}}\n")
    assert IndexFile(file.path).editor_uri == "x://{path}"


def test_what_is_ignored_comes_and_goes(file: IndexFile) -> None:
    file.change("2024", ignore=["/a.md", "drafts/"])
    assert file.named("2024").ignore == ["/a.md", "drafts/"]
    file.change("2024", included=True)
    assert file.named("2024").ignore == ["/a.md", "drafts/"]
    file.change("2024", ignore=[])
    assert file.named("2024").ignore == []
