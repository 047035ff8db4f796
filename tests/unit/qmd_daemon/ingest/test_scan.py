from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.errors import QmdError
from qmd_daemon.ingest import scan
from qmd_daemon.ingest.scan import Entry, Unseen
from tests.unit.qmd_daemon.ingest.library import write, write_at


def files(root: Path, mask: str = "**/*", ignore: list[str] | None = None) -> list[str]:
    return [one.path for one in scan.walk(str(root), mask, ignore or []) if isinstance(one, Entry)]


def unseen(root: Path) -> list[Unseen]:
    return [one for one in scan.walk(str(root), "**/*", []) if isinstance(one, Unseen)]


def make(root: Path, *paths: str) -> None:
    for path in paths:
        write(root / path, path)


# -- masks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mask", "parts"),
    [
        ("**/*.md", ["**/*.md"]),
        ("*.md, *.txt", ["*.md", "*.txt"]),
        ("**/*.{md,txt},x/{a,b}/*.py", ["**/*.{md,txt}", "x/{a,b}/*.py"]),
        ("a[,]b.md,c.md", ["a[,]b.md", "c.md"]),
        ("{a,{b,c}}.md,d", ["{a,{b,c}}.md", "d"]),
        ("}a,b", ["}a", "b"]),
        (" , ,", []),
        ("", []),
    ],
)
def test_a_mask_is_split_at_the_commas_outside_of_braces(mask: str, parts: list[str]) -> None:
    assert scan.split_mask(mask) == parts


@given(st.lists(st.text("ab*./{,}[]", min_size=1, max_size=8), max_size=4))
def test_no_character_but_commas_and_blanks_is_lost_in_splitting(parts: list[str]) -> None:
    mask = ",".join(parts)
    assert ",".join(scan.split_mask(mask)).replace(",", "") == mask.replace(",", "")


@pytest.mark.parametrize(
    ("mask", "path", "matches"),
    [
        ("**/*.md", "a.md", True),
        ("**/*.md", "deep/er/a.md", True),
        ("**/*.md", "A.MD", True),
        ("*.md", "deep/a.md", False),
        ("**/*.{md,txt}", "deep/a.txt", True),
        ("*.md,deep/*.txt", "deep/a.txt", True),
        ("*.md,deep/*.txt", "a.txt", False),
        ("笔记/**", "笔记/中文.md", True),
        ("a?.md", "ab.md", True),
        (scan.DEFAULT_MASK, "src/main.rs", True),
        (scan.DEFAULT_MASK, "README", False),
        (scan.DEFAULT_MASK, "data.json", False),
    ],
)
def test_what_a_mask_matches(mask: str, path: str, matches: bool) -> None:
    assert scan.matcher(mask)(path) is matches


@pytest.mark.parametrize("mask", ["", " , ", "{1..100000000}"])
def test_a_mask_that_means_nothing_is_refused(mask: str) -> None:
    with pytest.raises(QmdError, match="is not a mask") as caught:
        scan.matcher(mask)
    assert caught.value.code == "invalid"


@given(st.text("ab*?[]{}!,./\\-^1 ", max_size=15), st.text("ab./", max_size=8))
def test_a_mask_matches_or_not_or_is_refused(mask: str, path: str) -> None:
    try:
        assert scan.matcher(mask)(path) in {True, False}
    except QmdError as error:
        assert "mask" in error.message  # noqa: PT017 - refusing is one of two right answers


# -- ignoring --------------------------------------------------------------------------------


def test_ignore_patterns_are_those_of_gitignore(tmp_path: Path) -> None:
    make(tmp_path, "a.md", "drafts/a.md", "deep/drafts/a.md", "b.tmp", "keep.tmp", "top/x.md", "deep/top/x.md")
    assert files(tmp_path, ignore=["drafts/", "*.tmp", "!keep.tmp", "/top/"]) == ["a.md", "keep.tmp", "deep/top/x.md"]
    assert files(tmp_path, ignore=["# a comment", "", "**/*.md"]) == ["b.tmp", "keep.tmp"]


@pytest.mark.parametrize("pattern", ["!", "[z-a]", "\\"])
def test_a_pattern_that_means_nothing_is_named(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(QmdError) as caught:
        files(tmp_path, ignore=["*.tmp", pattern])
    assert caught.value.code == "invalid"
    assert repr(pattern) in caught.value.message


# -- walking ---------------------------------------------------------------------------------


def test_files_come_in_the_order_of_their_names_with_what_stat_says(tmp_path: Path) -> None:
    make(tmp_path, "b/z.md", "b/a.md", "a.md", "c.md", "b.md")
    found = [one for one in scan.walk(str(tmp_path), "**/*.md", []) if isinstance(one, Entry)]
    assert [one.path for one in found] == ["a.md", "b.md", "c.md", "b/a.md", "b/z.md"]
    stat = os.stat(tmp_path / "a.md")
    assert found[0] == Entry("a.md", stat.st_size, stat.st_mtime_ns, stat.st_ino)


def test_hidden_and_vendored_directories_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a.md", ".hidden.md", ".git/a.md", "deep/.obsidian/a.md", "builder/a.md", "x.md/inside.md")
    make(tmp_path, *(f"{name}/a.md" for name in scan.VENDORED), "deep/node_modules/pkg/readme.md")
    assert files(tmp_path) == ["a.md", "builder/a.md", "x.md/inside.md"]
    assert unseen(tmp_path) == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    make(root, "a.md", "sub/b.md")
    make(outside, "secret.md")
    (root / "out").symlink_to(outside)
    (root / "out.md").symlink_to(outside / "secret.md")
    (root / "in.md").symlink_to(root / "a.md")
    (root / "sub" / "loop").symlink_to(root)
    (root / "broken.md").symlink_to(root / "nowhere")
    (root / "self.md").symlink_to(root / "self.md")
    assert files(root) == ["a.md", "sub/b.md"]
    assert unseen(root) == []


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    make(tmp_path / "root", "a.md")
    (tmp_path / "link").symlink_to(tmp_path / "root")
    assert files(tmp_path / "link") == ["a.md"]


def test_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a.md")
    os.mkfifo(tmp_path / "pipe.md")
    assert files(tmp_path) == ["a.md"]


def test_a_directory_that_cannot_be_read_is_named_and_the_rest_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a.md", "locked/b.md", "z/c.md")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(scan.os, "scandir", refuse)
    assert files(tmp_path) == ["a.md", "z/c.md"]
    assert unseen(tmp_path) == [Unseen("locked", "unreadable: Permission denied", directory=True)]


def test_a_root_that_is_not_there_is_unseen(tmp_path: Path) -> None:
    (only,) = scan.walk(str(tmp_path / "none"), "**/*", [])
    assert only == Unseen(".", "unreadable: No such file or directory", directory=True)


def test_a_name_that_is_not_utf8_is_named_and_not_indexed(tmp_path: Path) -> None:
    make(tmp_path, "good.md")
    write_at(tmp_path, b"bad\xff.md")
    os.mkdir(os.path.join(os.fsencode(tmp_path), b"dir\xfe"))
    write_at(tmp_path, b"dir\xfe/a.md")
    assert files(tmp_path) == ["good.md"]
    assert {(one.path, one.reason) for one in unseen(tmp_path)} == {
        ("bad\\xff.md", "its name is not UTF-8"),
        ("dir\\xfe/a.md", "its name is not UTF-8"),
    }


@pytest.mark.parametrize(
    "name",
    ["a\nb.md", "a\x1b[2Jb.md", "-rf.md", "a b.md", "$(id).md", "*.md", "[x].md", "{a,b}.md", "中文.md", "!.md"],
)
def test_hostile_names_are_files_like_others(tmp_path: Path, name: str) -> None:
    make(tmp_path, name)
    assert files(tmp_path, "**/*.md") == [name]


def test_it_goes_as_deep_as_the_directories(tmp_path: Path) -> None:
    deep = "/".join("d" * 20 for _ in range(60))
    make(tmp_path, f"{deep}/a.md")
    assert files(tmp_path) == [f"{deep}/a.md"]
