from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from qmd_daemon.ingest import extract
from qmd_daemon.ingest.extract import LeftOut
from tests.unit.qmd_daemon.ingest.library import write


def why_not(root: Path, path: str, max_bytes: int = 1000) -> str:
    with pytest.raises(LeftOut) as caught:
        extract.read(str(root), path, max_bytes)
    return str(caught.value)


def test_a_file_is_its_text_its_title_and_what_stat_says(tmp_path: Path) -> None:
    file = write(tmp_path / "deep" / "笔记.md", "# 标题\n\ntext\n")
    stat = file.stat()
    assert extract.read(str(tmp_path), "deep/笔记.md", 1000) == extract.Extract(
        text="# 标题\n\ntext\n",
        title="标题",
        hash=hashlib.sha256("# 标题\n\ntext\n".encode()).hexdigest(),
        size=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
        inode=stat.st_ino,
    )


def test_newlines_are_alike_and_so_is_the_content(tmp_path: Path) -> None:
    for name, data in {"unix": b"a\nb\n", "dos": b"a\r\nb\r\n", "mac": b"a\rb\r", "bom": b"\xef\xbb\xbfa\nb\n"}.items():
        write(tmp_path / f"{name}.md", data)
    found = [extract.read(str(tmp_path), f"{name}.md", 1000) for name in ("unix", "dos", "mac", "bom")]
    assert {one.text for one in found} == {"a\nb\n"}
    assert len({one.hash for one in found}) == 1


def test_without_a_title_inside_it_is_called_as_its_file(tmp_path: Path) -> None:
    write(tmp_path / "my.notes.md", "no heading")
    assert extract.read(str(tmp_path), "my.notes.md", 1000).title == "my.notes"


@pytest.mark.parametrize("data", [b"", b" \n\t\r\n ", b"\xef\xbb\xbf", "\u3000\n".encode()])
def test_what_is_blank_is_empty(tmp_path: Path, data: bytes) -> None:
    write(tmp_path / "a.md", data)
    assert why_not(tmp_path, "a.md") == "empty"


def test_what_is_binary_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a.md", b"\x89PNG\0\1\2\3")
    assert why_not(tmp_path, "a.md") == "binary"


def test_the_limit_is_the_largest_that_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a.md", "x" * 1000)
    assert extract.read(str(tmp_path), "a.md", 1000).size == 1000
    assert why_not(tmp_path, "a.md", 999).startswith("larger than")
    assert why_not(write(tmp_path / "b" / "b.md", "x" * 2_000_000).parent, "b.md", 1024 * 1024) == "larger than 1 MB"


def test_a_file_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.md", "x" * 1000)
    monkeypatch.setattr(extract.os, "fdopen", lambda *_, **__: pytest.fail("it was opened to be read"))
    assert why_not(tmp_path, "a.md", 999).startswith("larger than")


def test_a_file_that_grows_while_it_is_read_is_held_to_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "a.md", "x" * 100)
    fstat = os.fstat

    def grow(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        file.write_text("x" * 5000)
        return found

    monkeypatch.setattr(extract.os, "fstat", grow)
    assert why_not(tmp_path, "a.md").startswith("larger than")


def test_a_file_that_changes_while_it_is_read_looks_changed_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "a.md", "old text")
    fstat = os.fstat

    def change(descriptor: int) -> os.stat_result:
        found = fstat(descriptor)
        file.write_text("new text")
        return found

    monkeypatch.setattr(extract.os, "fstat", change)
    found = extract.read(str(tmp_path), "a.md", 1000)
    assert found.text == "new text"
    assert found.mtime_ns != file.stat().st_mtime_ns


def test_what_is_gone_a_link_a_directory_or_a_pipe_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "real.md", "text")
    (tmp_path / "link.md").symlink_to(tmp_path / "real.md")
    (tmp_path / "dir.md").mkdir()
    os.mkfifo(tmp_path / "pipe.md")
    assert why_not(tmp_path, "gone.md") == "unreadable: No such file or directory"
    assert why_not(tmp_path, "link.md").startswith("unreadable")
    assert why_not(tmp_path, "dir.md") == "not a file"
    assert why_not(tmp_path, "pipe.md") == "not a file"


def test_what_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    write(tmp_path / "a.md", "text")
    monkeypatch.setattr(extract.os, "open", refuse)
    assert why_not(tmp_path, "a.md") == "unreadable: Permission denied"
