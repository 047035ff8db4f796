from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.errors import QmdError
from qmd_daemon.ingest import scan
from qmd_daemon.ingest.index_file import Configured, IndexFile

EXAMPLE = """\
# My collections
global_context: "what holds everywhere"  # said to every model
editor_uri: vscode://file/{path}:{line}:{col}
models:
  embed: hf:some/model
collections:
  # the diary
  journal:
    path: ~/journal   # at home
    pattern: '**/*.{md,txt}'
    ignore:
      - drafts/**
      - "*.tmp"
    update: git pull --ff-only
    includeByDefault: false
    context:
      /: "my diary"
      /2026: that year

  work:
    path: /srv/work
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "index.yml"


@pytest.fixture
def example(path: Path) -> Path:
    path.parent.mkdir()
    path.write_text(EXAMPLE)
    return path


def refused(path: Path, text: str | bytes) -> QmdError:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(QmdError) as caught:
        IndexFile(str(path))
    assert caught.value.code == "invalid"
    assert str(path) in caught.value.message
    return caught.value


def test_a_file_that_is_not_there_is_empty(path: Path) -> None:
    file = IndexFile(str(path))
    assert (file.collections, file.global_context) == ([], "")


@pytest.mark.parametrize("text", ["", "# only a comment\n", "collections:\n", "collections: {}\n", "models: {}\n"])
def test_so_is_one_without_collections(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    file = IndexFile(str(path))
    assert file.collections == []
    file.add("notes", "/notes", scan.DEFAULT_MASK)
    file.save()
    assert [one.name for one in IndexFile(str(path)).collections] == ["notes"]
    assert path.read_text().endswith("collections:\n  notes:\n    path: /notes\n")


def test_the_format_of_tobi_qmd_is_read(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    file = IndexFile(str(example))
    assert file.global_context == "what holds everywhere"
    assert file.collections == [
        Configured(
            "journal",
            "/home/me/journal",
            "**/*.{md,txt}",
            ["drafts/**", "*.tmp"],
            {"/": "my diary", "/2026": "that year"},
            included=False,
            update="git pull --ff-only",
        ),
        Configured("work", "/srv/work", scan.DEFAULT_MASK, [], {}, included=True),
    ]


def test_what_a_person_wrote_is_kept(example: Path) -> None:
    file = IndexFile(str(example))
    file.save()
    assert example.read_text() == EXAMPLE
    file.add("new", "/new", "**/*.py")
    file.save()
    assert example.read_text() == EXAMPLE + '  new:\n    path: /new\n    pattern: "**/*.py"\n'.replace('"', "'")
    file.remove("new")
    file.save()
    assert example.read_text() == EXAMPLE


def test_removing_takes_one_and_leaves_the_rest(example: Path) -> None:
    file = IndexFile(str(example))
    file.remove("work")
    with pytest.raises(QmdError, match="not found: work"):
        file.remove("work")
    file.save()
    text = example.read_text()
    assert "work" not in text
    assert "update: git pull --ff-only" in text
    assert "# the diary" in text
    assert [one.name for one in IndexFile(str(example)).collections] == ["journal"]


def test_an_added_collection_is_there_at_once_and_written_on_save(example: Path) -> None:
    file = IndexFile(str(example))
    file.add("new", "/new", scan.DEFAULT_MASK)
    assert file.collections[-1] == Configured("new", "/new", scan.DEFAULT_MASK, [], {}, included=True)
    assert "new" not in example.read_text()


def test_names_that_yaml_takes_for_something_else_are_names(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("collections:\n  2026:\n    path: /a\n  yes:\n    path: /b\n  null:\n    path: /c\n")
    file = IndexFile(str(path))
    assert file.collections[0].name == "2026"
    for one in list(file.collections):
        file.remove(one.name)
    file.save()
    assert IndexFile(str(path)).collections == []


@given(st.lists(st.tuples(
    st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=12),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
    st.sampled_from(["**/*.md", "*.{a,b}", "a: b", "# c", "- d", "'", "*"]),
), unique_by=lambda one: one[0], max_size=5))  # fmt: skip
def test_what_is_added_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, added: list[tuple[str, str, str]]
) -> None:
    place = str(tmp_path_factory.getbasetemp() / "index.yml")
    if os.path.exists(place):
        os.unlink(place)
    file = IndexFile(place)
    for name, path, mask in added:
        file.add(name, f"/{path}", mask)
    file.save()
    assert IndexFile(place).collections == file.collections
    assert [one.name for one in file.collections] == [name for name, _, _ in added]


# -- what is wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("collections:\n  a: [\n", 3, ""),
        ("collections:\n  a:\n    path: /a\n  a:\n    path: /b\n", 4, "duplicate"),
        ("collections:\n\tnotes: 1\n", 2, "cannot start any token"),
        ("collections:\n  a:\n    path: /a\n  b:\n    pattern: x\n", 4, "'b' has no path"),
        ("collections:\n  a: /somewhere\n", 2, "'a' has no path"),
        ("x: 1\ncollections:\n  - a\n", 2, "must have a name for each"),
        ("collections:\n  a/b:\n    path: /a\n", 2, "'a/b' is not a name"),
        ("- a\n- b\n", 1, "there must be keys"),
        ("just words\n", 1, "there must be keys"),
        (b"global_context: \xff\xfe\n", 1, "not YAML in UTF-8"),
        ("a: 2026-99-99\n", 1, "month"),
        ("a: !!int x\n", 1, "invalid literal"),
        pytest.param("a: " + "[" * 3000, 1, "recursion", id="too deep"),
    ],
)
def test_an_error_names_the_file_the_line_and_what_is_wrong(
    path: Path, text: str | bytes, line: int, what: str
) -> None:
    error = refused(path, text)
    assert f"line {line}: " in error.message
    assert what in error.message
    assert error.hint


def test_a_file_that_cannot_be_read_is_said(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(QmdError, match="Is a directory"):
        IndexFile(str(path))


@given(st.text("ab:-[]{}&*!|>'\"#%@ \n\t?<2026", max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    place = tmp_path_factory.getbasetemp() / "any.yml"
    place.write_text(f"collections:\n  a:\n    path: {text}")
    try:
        IndexFile(str(place))
    except QmdError as error:
        assert error.code == "invalid"  # noqa: PT017 - refusing is one of two right answers


# -- saving ----------------------------------------------------------------------------------


def test_a_saved_file_is_private_and_no_other_is_left(example: Path) -> None:
    IndexFile(str(example)).save()
    assert stat.S_IMODE(example.stat().st_mode) == 0o600
    assert os.listdir(example.parent) == ["index.yml"]


def test_a_link_to_the_file_stays_one(example: Path, tmp_path: Path) -> None:
    dotfiles = tmp_path / "dotfiles"
    dotfiles.mkdir()
    example.rename(dotfiles / "index.yml")
    example.symlink_to(dotfiles / "index.yml")
    file = IndexFile(str(example))
    file.add("new", "/new", scan.DEFAULT_MASK)
    file.save()
    assert example.is_symlink()
    assert "new:" in (dotfiles / "index.yml").read_text()


def test_the_directory_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "config").symlink_to(tmp_path / "dotfiles")
    file = IndexFile(str(tmp_path / "config" / "index.yml"))
    file.add("new", "/new", scan.DEFAULT_MASK)
    file.save()
    assert (tmp_path / "dotfiles" / "index.yml").exists()


def test_what_cannot_be_written_is_said_and_changes_nothing(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    file = IndexFile(str(example))
    file.add("new", "/new", scan.DEFAULT_MASK)
    monkeypatch.setattr("qmd_daemon.ingest.index_file.os.fsync", full)
    with pytest.raises(QmdError, match="No space left") as caught:
        file.save()
    assert caught.value.code == "unavailable"
    assert example.read_text() == EXAMPLE
