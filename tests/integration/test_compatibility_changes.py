"""The cases of tobi/qmd's own tests that change something: collections, contexts, files. See test_compatibility.py."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.integration.program import QMD, Qmd
from tests.integration.theirs import CONTEXT, FILES, SEARCHES, docid, installed

pytestmark = pytest.mark.xdist_group("compatibility changes")


@pytest.fixture(scope="module")
def qmd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qmd]:
    with installed(tmp_path_factory.mktemp("compatibility")) as program:
        yield program


# -- collections (cases 17 to 27) ------------------------------------------------------------


def test_collection_add_needs_a_path(qmd: Qmd) -> None:
    done = qmd("collection", "add")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: qmd collection add <path>" in done.stderr
    assert "Pass '.' to index the current directory" in done.stderr


@pytest.mark.parametrize(("path", "hint"), [("./missing", "existing directory"), ("README.md", "Choose a directory")])
def test_collection_add_of_what_is_no_directory(qmd: Qmd, path: str, hint: str) -> None:
    done = qmd("collection", "add", path, "--name", "wrong", cwd=qmd.fixtures)
    assert done.stdout == ""
    assert "Resolved: " in done.stderr
    assert hint in done.stderr
    assert "wrong" not in qmd.ok("collection", "list")


@pytest.mark.parametrize("mask", ["a.md,X - *.md", "{a.md,X - *.md}"])
def test_a_mask_with_a_comma(qmd: Qmd, tmp_path: Path, mask: str) -> None:
    for name in ("a.md", "X - 1.md", "b.md"):
        (tmp_path / name).write_text(f"quokka {name}\n")
    out = qmd.ok("collection", "add", str(tmp_path), "--name", "masked", "--mask", mask)
    assert out.startswith("Collection 'masked' created successfully\nIndexed: 2 new")
    assert "Indexed: 3 new" in qmd.ok("collection", "add", str(tmp_path), "--name", "again", "--glob", "*.md")
    for name in ("masked", "again"):
        qmd.ok("collection", "rm", name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_named(qmd: Qmd, tmp_path: Path) -> None:
    for name in ("good.md", "bad.md"):
        (tmp_path / name).write_text(f"numbat {name}\n")
    (tmp_path / "bad.md").chmod(0)
    done = qmd("collection", "add", str(tmp_path), "--name", "partly")
    qmd.ok("collection", "rm", "partly")
    assert "Indexed: 1 new" in done.stdout
    assert "skipped bad.md: " in done.stderr
    assert "skipped 1 file." in done.stderr


def test_what_is_ignored_is_not_found_and_said(qmd: Qmd, tmp_path: Path) -> None:
    for name in ("a.md", "sessions/b.md", "archive/c.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"bilby {name}\n")
    config = Path(qmd.env["QMD_HOME"], "config", "index.yml")
    before = config.read_text()
    config.write_text(f'{before}  wild:\n    path: {tmp_path}\n    ignore: ["sessions/**", archive/]  # not these\n')
    assert "Indexed: 1 new" in qmd.ok("update", "-c", "wild")
    assert qmd.ok("search", "bilby", "--files", "-c", "wild").count("\n") == 1
    assert "Ignore: sessions/**, archive/" in qmd.ok("collection", "list")
    done = qmd("get", "wild/sessions/b.md")
    assert (done.returncode, done.stdout) == (1, "")
    assert "excluded by ignore rule 'sessions/**'" in done.stderr
    assert "Deleted 1 document " in qmd.ok("collection", "remove", "wild")
    assert config.read_text() == before


def test_collection_rename(qmd: Qmd, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("potoroo\n")
    qmd.ok("collection", "add", str(tmp_path), "--name", "old")
    assert qmd.ok("collection", "rename", "old", "new") == "✓ Renamed collection 'old' to 'new'\n"
    for command in SEARCHES:
        rows = json.loads(qmd.ok(command, "potoroo", "-c", "new", "--json"))
        assert [row["file"] for row in rows] == ["qmd://new/a.md"]
    assert qmd.ok("update", "-c", "new") == "Indexed: 0 new, 0 updated, 1 unchanged, 0 removed\n"
    done = qmd("collection", "mv", "new", "fixtures")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Collection name already exists" in done.stderr
    qmd.ok("collection", "remove", "new")
    assert "Collection not found" in qmd("collection", "rename", "old", "new").stderr


def test_an_excluded_collection_is_searched_only_by_name(qmd: Qmd, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("bandicoot\n")
    qmd.ok("collection", "add", str(tmp_path), "--name", "private")
    qmd.ok("collection", "exclude", "private")
    for command in SEARCHES:
        assert "private" not in qmd(command, "bandicoot", "--files").stdout
        assert "private" in qmd.ok(command, "bandicoot", "--files", "-c", "private")
    assert "private  1 document  excluded" in qmd.ok("collection", "list")
    qmd.ok("collection", "include", "private")
    assert "private" in qmd.ok("search", "bandicoot", "--files")
    qmd.ok("collection", "remove", "private")


def test_collection_show_and_update_cmd(qmd: Qmd) -> None:
    assert "Set update command" in qmd.ok("collection", "update-cmd", "fixtures", "git pull --ff-only")
    shown = json.loads(qmd.ok("collection", "info", "fixtures", "--json"))
    assert (shown["update"], shown["documents"], shown["contexts"]) == ("git pull --ff-only", 6, {"/": CONTEXT})
    assert re.search(r"^Update +git pull --ff-only$", qmd.ok("collection", "show", "fixtures"), re.MULTILINE)
    qmd.ok("collection", "set-update", "fixtures")
    assert "Update" not in qmd.ok("collection", "show", "fixtures")


@pytest.mark.parametrize(
    "argv", [["remove", "zzz"], ["rename", "zzz", "b"], ["show", "zzz"], ["include", "zzz"], ["update-cmd", "zzz", "x"]]
)
def test_a_collection_that_is_not_there(qmd: Qmd, argv: list[str]) -> None:
    done = qmd("collection", *argv)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Collection not found: zzz" in done.stderr
    assert "fixtures" in done.stderr


def test_an_unknown_subcommand(qmd: Qmd) -> None:
    assert "Unknown subcommand" in qmd("collection", "invent").stderr


# -- contexts (cases 45 and 46) --------------------------------------------------------------


def test_contexts(qmd: Qmd, tmp_path: Path) -> None:
    config = Path(qmd.env["QMD_HOME"], "config", "index.yml")
    before = config.read_text()
    assert qmd.ok("context", "add", "/", "Global system context") == "✓ Set global context\n"
    added = qmd.ok("context", "add", "qmd://fixtures/notes", "What was said")
    assert added == "✓ Added context for: qmd://fixtures/notes\n"
    assert (
        qmd.ok("context", "add", "From here", cwd=qmd.fixtures / "docs") == "✓ Added context for: qmd://fixtures/docs\n"
    )
    done = qmd("context", "list")
    assert done.stderr == "Configured Contexts\n"
    assert done.stdout == (
        f"/\n  Global system context\nqmd://fixtures\n  {CONTEXT}\n"
        "qmd://fixtures/docs\n  From here\nqmd://fixtures/notes\n  What was said\n"
    )
    whole = f"Global system context\n\n{CONTEXT}\n\nWhat was said"
    for command in SEARCHES:
        row = json.loads(qmd.ok(command, "team meeting", "--json"))[0]
        assert (row["file"], row["context"]) == ("qmd://fixtures/notes/meeting.md", whole)
    removed = qmd.ok("context", "rm", "qmd://fixtures/notes/")
    assert removed == "✓ Removed context for: qmd://fixtures/notes\n"
    qmd.ok("context", "rm", str(qmd.fixtures / "docs"))
    qmd.ok("context", "remove", "/")
    assert config.read_text() == before
    for place, message in (("qmd://fixtures/notes", "not found"), (str(tmp_path), "in no collection")):
        done = qmd("context", "rm", place)
        assert (done.returncode, done.stdout) == (1, "")
        assert message in done.stderr
    done = qmd("context", "add")
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage:" in done.stderr


# -- ours: by meaning ------------------------------------------------------------------------


def test_similar(qmd: Qmd) -> None:
    rows = json.loads(qmd.ok("similar", docid(qmd, "test1.md"), "--json"))
    assert rows[0]["file"] == "qmd://fixtures/test2.md"
    assert "qmd://fixtures/test1.md" not in {row["file"] for row in rows}
    assert qmd.ok("similar", "./test1.md", "-n", "1", "--files", cwd=qmd.fixtures).count("qmd://fixtures/test2.md") == 1
    assert qmd("similar", "test1.md", "--min-score", "1.5").returncode == 1
    assert "notes/meeting.md" in qmd("similar", "notes/meetings.md").stderr


def test_rerank(qmd: Qmd) -> None:
    lines = "a.py:1:def retry(count):\nb.md:2:the roadmap for authentication\nc.md:3:bread and butter\n"
    done = qmd("rerank", "roadmap", "authentication", stdin=lines)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(lines.splitlines())
    assert done.stdout.startswith("b.md:2:")


# -- the rest of its cases -------------------------------------------------------------------


def test_a_removed_file_is_gone_after_an_update(qmd: Qmd) -> None:
    place = qmd.fixtures / "short-lived.md"
    place.write_text("# Short\n\npademelon\n")
    assert "1 new" in qmd.ok("update")
    place.unlink()
    assert qmd.ok("update") == "Indexed: 0 new, 0 updated, 6 unchanged, 1 removed\n"
    assert qmd("get", "fixtures/short-lived.md").returncode == 1
    assert qmd("search", "pademelon").returncode == 1


def test_the_same_content_in_two_collections_is_two_rows(qmd: Qmd, tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.md").write_text(f"# The authentication endpoint {number}\n\nauthentication endpoint\n")
    (tmp_path / "api.md").write_text(FILES["docs/api.md"])
    qmd.ok("collection", "add", str(tmp_path), "--name", "copies")
    try:
        for command in SEARCHES:
            out = qmd.ok(command, "the authentication endpoint", "--files", "-n", "40")
            found = set(re.findall(r"qmd://[^,\s]+", out))
            assert {"qmd://fixtures/docs/api.md", "qmd://copies/api.md"} <= found
            few = json.loads(qmd.ok(command, "the authentication endpoint", "--json", "-c", "fixtures", "-n", "1"))
            assert [row["file"] for row in few] == ["qmd://fixtures/docs/api.md"], "a large collection starves no other"
            both = qmd.ok(
                command, "the authentication endpoint", "--files", "-n", "40", "-c", "fixtures", "-c", "copies"
            )
            assert set(re.findall(r"qmd://[^,\s]+", both)) == found
    finally:
        qmd.ok("collection", "remove", "copies")


def test_status_names_collections_and_no_paths(qmd: Qmd) -> None:
    out = qmd.ok("status")
    assert re.search(r"^Collections fixtures  6 documents", out, re.MULTILINE)
    assert str(qmd.fixtures.parent) not in out


def test_an_embedding_that_is_asked_for_twice_is_made_once(qmd: Qmd) -> None:
    started = [subprocess.Popen([*QMD, "embed"], env=qmd.env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in started:
        out, _ = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "Embedded: 0 chunks of 0 documents\n")


def test_search_on_a_terminal(qmd: Qmd) -> None:
    env = {name: value for name, value in qmd.env.items() if name not in {"NO_COLOR", "QMD_EDITOR_URI"}}
    command = [*QMD[1:], "search", "authentication endpoint", "-n", "1"]
    terminal = pexpect.spawn(QMD[0], command, env={**env, "TERM": "xterm-256color"}, encoding="utf-8", timeout=30)
    terminal.expect(pexpect.EOF)
    link = f"vscode://file/{qmd.fixtures / 'docs' / 'api.md'}:3:1"
    assert terminal.before.startswith(f"\x1b]8;;{link}\x1b\\\x1b[36mqmd://fixtures/docs/api.md:3\x1b[0m\x1b]8;;\x1b\\ ")
    assert "\x1b[1;33mauthentication\x1b[0m" in terminal.before
