"""The command line against a real daemon with the fake engine. Cases are those of tobi/qmd where it has one."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.program import QMD, Qmd

pytestmark = pytest.mark.xdist_group("cli")
FILES = {
    "README.md": "# Test Project\n\nA project for testing.\n",
    "notes/meeting.md": "# Team Meeting\n\nWe agreed on the roadmap for authentication.\n",
    "notes/ideas.md": "# Ideas\n\nA cache would make it faster.\n",
    "notes/显存.md": "# 显卡\n\n写一份最小的GPU显存监控方案。\n",
    "test1.md": "# Test Document 1\n\nFirst paragraph.\n\nIt has multiple lines.\nLine 6 is here.\nLine 7 is here.\n",
    # More control characters for its length, and it would be taken for a binary file.
    "hostile.md": f"# Hostile\n\nzebra \x1b]0;pwned\x07 \x9b31m and \u202e back\n\n{'And much harmless text. ' * 20}\n",
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qmd]:
    """Nothing is indexed, and no daemon runs."""
    qmd = Qmd(tmp_path_factory.mktemp("empty"), FILES)
    yield qmd
    assert qmd.ok("stop") == "not running\n", "a command has started the daemon that should not"


@pytest.fixture(scope="module")
def qmd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qmd]:
    """The fixtures are indexed, and the daemon runs."""
    program = Qmd(tmp_path_factory.mktemp("cli"), FILES)
    added = program("collection", "add", ".", cwd=program.fixtures)
    assert added.returncode == 0, added.stderr
    assert added.stdout == (
        "Collection 'fixtures' created successfully\n"
        "Indexed: 6 new, 0 updated, 0 unchanged, 0 removed\n"
        "Embedded: 6 chunks of 6 documents\n"
    )
    assert added.stderr == "qmd: waiting for the daemon to start …\n"
    yield program
    assert program.ok("stop") == "stopped\n"
    assert program.ok("stop") == "not running\n"


# -- without a daemon ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv", [["search", "a"], ["get", "a.md"], ["search", "a", "--json"], ["collection", "list"]], ids=" ".join
)
def test_nothing_is_indexed_yet(empty: Qmd, argv: list[str]) -> None:
    done = empty(*argv)
    assert (done.returncode, done.stdout) == (1, "")
    assert "qmd collection add PATH" in done.stderr


def test_the_status_of_nothing(empty: Qmd) -> None:
    assert "nothing is indexed yet" in empty.ok("status")
    assert json.loads(empty.ok("status", "--json")) == {"index": None, "daemon": None}


def test_check_with_the_fake_engine(empty: Qmd) -> None:
    assert empty.ok("check").startswith("OK Embedding")


# -- search ----------------------------------------------------------------------------------


def test_search(qmd: Qmd) -> None:
    out = qmd.ok("search", "authentication")
    assert re.match(r"qmd://fixtures/notes/meeting\.md:\d+ #[0-9a-f]{6} \d+%\nTeam Meeting\n", out)
    assert "3 │ We agreed on the roadmap for authentication." in out
    assert "\x1b" not in out


@pytest.mark.parametrize("query", ["显存", "监控", "GPU显存监控", "ＧＰＵ"])
def test_search_finds_chinese_on_its_line(qmd: Qmd, query: str) -> None:
    rows = json.loads(qmd.ok("search", query, "--json"))
    assert rows[0]["file"] == "qmd://fixtures/notes/显存.md"
    assert "GPU显存监控" in rows[0]["snippet"]


@pytest.mark.parametrize("command", ["search", "vsearch", "query"])
def test_the_searches_as_json(qmd: Qmd, command: str) -> None:
    done = qmd(command, "roadmap for authentication", "--json", "-n", "2")
    rows = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert rows[0]["file"] == "qmd://fixtures/notes/meeting.md"
    assert {"docid", "score", "file", "line", "title", "snippet"} <= set(rows[0])
    assert len(rows) <= 2
    assert str(qmd.fixtures) not in done.stdout


@pytest.mark.parametrize("command", ["search", "query"])
def test_nothing_found(qmd: Qmd, command: str) -> None:
    flags = ["--min-score", "1.5"] if command == "query" else []
    done = qmd(command, "xyzzyplugh", *flags)
    assert (done.returncode, done.stdout) == (1, "")
    assert "No results found" in done.stderr
    done = qmd(command, "xyzzyplugh", "--json", *flags)
    assert (done.returncode, done.stdout) == (1, "[]\n")


def test_a_score_that_nothing_reaches(qmd: Qmd) -> None:
    done = qmd("search", "meeting", "--min-score", "2")
    assert (done.returncode, done.stderr) == (1, "No results found above minimum score threshold.\n")


@pytest.mark.parametrize("command", ["search", "query"])
def test_explain(qmd: Qmd, command: str) -> None:
    done = qmd(command, "authentication", "--explain")
    assert "explain: " in done.stdout
    assert "lexical" in done.stderr
    assert json.loads(qmd.ok(command, "authentication", "--explain", "--json"))[0]["explain"]["contributions"]


def test_an_unknown_collection_finds_nothing_or_is_told(qmd: Qmd) -> None:
    for command in ("search", "query"):
        done = qmd(command, "authentication", "-c", "nowhere")
        assert done.returncode == 1
        assert done.stdout == ""


@pytest.mark.parametrize(
    "argv",
    [["search", "zebra"], ["search", "zebra", "--json"], ["query", "zebra"], ["get", "hostile.md"]],
    ids=" ".join,
)
def test_a_hostile_file_cannot_write_to_the_terminal(qmd: Qmd, argv: list[str]) -> None:
    out = qmd.ok(*argv)
    assert "zebra" in out
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(out)


def test_a_reader_that_goes_away_is_no_error(qmd: Qmd) -> None:
    shell = f"{' '.join(QMD)} search line --json | true"
    done = subprocess.run(shell, shell=True, env=qmd.env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""


# -- get -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ref", ["fixtures/test1.md", "qmd://fixtures/test1.md", "//fixtures/test1.md", "test1.md"])
def test_get(qmd: Qmd, ref: str) -> None:
    lines = qmd.ok("get", ref).split("\n")
    assert re.match(r"qmd://fixtures/test1\.md\s+#[a-f0-9]{6}$", lines[0])
    assert lines[1] == "1: # Test Document 1"
    assert lines[7] == "7: Line 7 is here."


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["fixtures/test1.md", "-l", "1"], ["1: # Test Document 1"]),
        (["fixtures/test1.md:3", "-l", "2"], ["3: First paragraph.", "4: "]),
        (["fixtures/test1.md:5:2"], ["5: It has multiple lines.", "6: Line 6 is here."]),
        (["fixtures/test1.md:5:2", "-l", "1"], ["5: It has multiple lines."]),
        (["fixtures/test1.md", "--from", "7", "--no-line-numbers"], ["Line 7 is here."]),
        (["fixtures/test1.md", "--from", "-19", "-l", "1"], ["1: # Test Document 1"]),
    ],
    ids=str,
)
def test_get_some_lines(qmd: Qmd, argv: list[str], expected: list[str]) -> None:
    assert qmd.ok("get", *argv).splitlines()[1:] == expected


def test_get_by_docid(qmd: Qmd) -> None:
    docid = json.loads(qmd.ok("search", "roadmap", "--json"))[0]["docid"]
    assert qmd.ok("get", docid).startswith(f"qmd://fixtures/notes/meeting.md {docid}\n")


def test_get_what_is_not_there_suggests_what_is(qmd: Qmd) -> None:
    done = qmd("get", "fixtures/notes/meetings.md")
    assert (done.returncode, done.stdout) == (1, "")
    assert "qmd://fixtures/notes/meeting.md" in done.stderr


# -- the index -------------------------------------------------------------------------------


def test_update_counts_what_has_changed(qmd: Qmd, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n\naardvark\n")
    (tmp_path / "b.md").write_text("# B\n\nbadger\n")
    assert "Indexed: 2 new" in qmd.ok("collection", "add", str(tmp_path), "--name", "animals")
    (tmp_path / "a.md").write_text("# A\n\nantelope\n")
    (tmp_path / "b.md").unlink()
    (tmp_path / "c.md").write_text("")
    done = qmd("update", "-c", "animals")
    assert done.returncode == 0
    assert done.stdout == "Indexed: 0 new, 1 updated, 0 unchanged, 1 removed\n"
    assert "skipped" in done.stderr
    assert "c.md" in done.stderr
    assert qmd("get", "animals/b.md").returncode == 1
    assert qmd.ok("embed") == "Embedded: 1 chunk of 1 document\n"
    assert "antelope" in qmd.ok("search", "antelope")
    assert qmd.ok("collection", "remove", "animals").startswith("✓ Removed collection 'animals'\n")
    assert "animals" not in qmd.ok("collection", "list")
    assert qmd("search", "antelope").returncode == 1


def test_a_mask_chooses_files(qmd: Qmd, tmp_path: Path) -> None:
    for name in ("a.md", "b.txt", "c.py"):
        (tmp_path / name).write_text(f"wombat {name}\n")
    out = qmd.ok("collection", "add", str(tmp_path), "--name", "masked", "--glob", "*.{md,txt}")
    assert "Indexed: 2 new" in out
    qmd.ok("collection", "rm", "masked")


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [("./missing", 1, "Collection path does not exist: "), ("README.md", 2, "Collection path is not a directory: ")],
)
def test_a_collection_has_to_be_a_directory(qmd: Qmd, path: str, code: int, message: str) -> None:
    done = qmd("collection", "add", path, cwd=qmd.fixtures)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert f"Resolved: {qmd.fixtures}" in done.stderr


def test_removing_what_is_not_there(qmd: Qmd) -> None:
    done = qmd("collection", "remove", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")


def test_the_name_of_a_collection_is_taken(qmd: Qmd) -> None:
    done = qmd("collection", "add", str(qmd.fixtures))
    assert (done.returncode, done.stdout) == (2, "")
    assert "fixtures" in done.stderr


def test_collection_list(qmd: Qmd) -> None:
    assert qmd.ok("collection", "list").startswith(f"fixtures  6 documents\n  {qmd.fixtures}  ")


def test_another_index_is_another_world(qmd: Qmd, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Other\n\nplatypus\n")
    qmd.ok("--index", "other", "collection", "add", str(tmp_path), "--name", "c")
    assert qmd("search", "platypus").returncode == 1
    row = json.loads(qmd.ok("search", "platypus", "--json", "--index", "other"))[0]
    assert row["file"] == "qmd://c/a.md?index=other"
    assert "platypus" in qmd.ok("get", row["file"])


def test_status_of_a_daemon_that_runs(qmd: Qmd) -> None:
    out = qmd.ok("status")
    assert re.search(r"^Index +index: 6 documents, 6 chunks, 6 vectors, ", out, re.MULTILINE)
    assert re.search(r"^Daemon +running, pid \d+, for .*, http://127\.0\.0\.1:\d+$", out, re.MULTILINE)
    assert re.search(r"^Engine +fake", out, re.MULTILINE)
    found = json.loads(qmd.ok("status", "--json"))
    assert found["index"]["documents"] == 6
    assert found["daemon"]["engine"]["engine"] == "fake"


# -- the daemon ------------------------------------------------------------------------------


def test_a_daemon_that_cannot_start_says_why(tmp_path: Path) -> None:
    qmd = Qmd(tmp_path, FILES)
    qmd.env["QMD_DEVICE"] = "abacus"
    done = qmd("query", "a")
    assert (done.returncode, done.stdout) == (3, "")
    assert "abacus" in done.stderr or "device" in done.stderr


def test_server_runs_in_the_foreground_until_it_is_told_to_stop(tmp_path: Path) -> None:
    qmd = Qmd(tmp_path, FILES)
    with subprocess.Popen([*QMD, "server", "--log-level", "info"], env=qmd.env, stderr=subprocess.PIPE) as server:
        assert server.stderr is not None
        lines = iter(server.stderr.readline, b"")
        assert any(b"daemon.ready" in line for line in lines)
        assert f"pid {server.pid}," in qmd.ok("status")
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
    assert server.returncode == 0
    assert "not running" in qmd.ok("status")
