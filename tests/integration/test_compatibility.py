"""The cases of tobi/qmd's own tests, with our answers. What differs on purpose is in docs/compatibility.md."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.program import Qmd
from tests.integration.theirs import CONTEXT, DOCID, FILES, SEARCHES, docid, installed

pytestmark = pytest.mark.xdist_group("compatibility")


@pytest.fixture(scope="module")
def qmd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qmd]:
    with installed(tmp_path_factory.mktemp("compatibility")) as program:
        yield program


# -- formats of searches (5.3, cases 4 to 15) ------------------------------------------------


def test_a_search_without_a_query(qmd: Qmd) -> None:
    done = qmd("search")
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage:" in done.stderr


@pytest.mark.parametrize("flags", [["xyzzyplugh"], ["meeting", "--min-score", "2"]], ids=["none", "score"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("json", "[]\n"),
        ("csv", "docid,score,file,title,context,line,snippet\n"),
        ("xml", "<results></results>\n"),
        ("md", ""),
        ("files", ""),
        ("cli", ""),
    ],
)
def test_nothing_found(qmd: Qmd, flags: list[str], name: str, expected: str) -> None:
    done = qmd("search", *flags, "--format", name)
    assert (done.returncode, done.stdout) == (1, expected)
    if name == "cli":
        assert done.stderr.startswith("No results found" + (" above minimum score threshold." if flags[1:] else "."))


def test_an_unknown_format(qmd: Qmd) -> None:
    done = qmd("search", "x", "--format", "yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Unknown --format value" in done.stderr


@pytest.mark.parametrize("name", ["json", "jsonl", "csv", "md", "xml", "files"])
def test_a_format_by_its_own_flag(qmd: Qmd, name: str) -> None:
    first, second = (qmd.ok("search", "meeting", *flags) for flags in ([f"--{name}"], ["--format", name]))
    assert re.sub(r'"ms": [\d.]+', "", first) == re.sub(r'"ms": [\d.]+', "", second)


def test_search_as_json(qmd: Qmd) -> None:
    out = qmd.ok("search", "meeting", "--json")
    rows = json.loads(out)
    assert {row["file"] for row in rows} == {"qmd://fixtures/notes/meeting.md", "qmd://fixtures/notes/ideas.md"}
    assert all(re.fullmatch(DOCID, row["docid"]) and row["context"] == CONTEXT for row in rows)
    assert str(qmd.fixtures) not in out


def test_search_as_csv(qmd: Qmd) -> None:
    rows = list(csv.DictReader(io.StringIO(qmd.ok("search", "meeting", "--csv"))))
    assert {row["title"] for row in rows} == {"Team Meeting", "Ideas"}
    assert all(row["context"] == CONTEXT and int(row["line"]) > 0 for row in rows)


def test_search_as_files(qmd: Qmd) -> None:
    lines = qmd.ok("search", "meeting", "--files").splitlines()
    assert len(lines) == 2
    assert all(re.fullmatch(rf'{DOCID},[\d.]+,qmd://fixtures/[\w/.]+,"{CONTEXT}"', line) for line in lines)


def test_search_as_markdown(qmd: Qmd) -> None:
    out = qmd.ok("search", "meeting", "--md")
    assert re.search(rf"^\*\*docid:\*\* `{DOCID}`$", out, re.MULTILINE)
    assert "**file:** `qmd://fixtures/notes/meeting.md`" in out
    assert f"**context:** {CONTEXT}" in out
    assert "\n````\n# Ideas" in qmd.ok("search", "cache", "--md", "--full"), "the fence of a text must not end ours"


def test_search_as_xml(qmd: Qmd) -> None:
    out = qmd.ok("search", "meeting", "--xml")
    assert re.search(rf'<file docid="{DOCID}" name="qmd://fixtures/', out)
    files = ET.fromstring(out).findall("file")
    assert {each.get("context") for each in files} == {CONTEXT}
    assert any("authentication & <tags>" in (each.text or "") for each in files)


def test_search_piped(qmd: Qmd) -> None:
    out = qmd.ok("search", "authentication")
    assert re.search(rf"^qmd://fixtures/\S+:\d+ {DOCID} ", out)
    assert re.search(r"^@@ -3,1 @@ \(2 before, 0 after\)$", out, re.MULTILINE)
    assert "\x1b" not in out


@pytest.mark.parametrize("command", SEARCHES)
def test_full_path(qmd: Qmd, command: str, tmp_path: Path) -> None:
    rows = json.loads(qmd.ok(command, "authentication endpoint", "--full-path", "--json", "-n", "1", cwd=tmp_path))
    assert os.path.isfile(rows[0]["file"])
    assert os.path.isabs(rows[0]["file"])
    assert "docid" not in rows[0]
    inside = json.loads(qmd.ok(command, "authentication endpoint", "--full-path", "--json", cwd=qmd.fixtures))
    assert inside[0]["file"].startswith("./")


def test_full_and_line_numbers(qmd: Qmd) -> None:
    row = json.loads(qmd.ok("search", "multiple lines", "--json", "--full"))[0]
    assert row["body"] == FILES["test1.md"]
    assert "snippet" not in row
    row = json.loads(qmd.ok("search", "multiple lines", "--json", "--line-numbers"))[0]
    assert row["snippet"].startswith("5: It has multiple lines")
    assert "  7 │ Line 7 is here." in qmd.ok("search", "multiple lines", "--full")


def test_all_is_more_than_five(qmd: Qmd) -> None:
    assert len(qmd.ok("query", "test meeting document", "--files", "-n", "2").splitlines()) == 2
    assert len(qmd.ok("query", "test meeting document", "--files", "--all").splitlines()) == len(FILES)


def test_typed_lines(qmd: Qmd) -> None:
    """Case 58, on the command line."""
    document = "lex: endpoint\nvec: how do I authenticate\nintent: the API"
    rows = json.loads(qmd.ok("query", document, "--json"))
    assert rows[0]["file"] == "qmd://fixtures/docs/api.md"
    assert qmd.ok("query", "expand: authentication endpoint", "--files") == qmd.ok(
        "query", "authentication endpoint", "--files"
    )
    for wrong in (
        "lex: a\nplain words",
        "intent: alone",
        "lex: a\nintent: b\nintent: c",
        "lex:",
        "vec: a -b",
        "expand: a\nlex: b",
    ):
        done = qmd("query", wrong)
        assert (done.returncode, done.stdout) == (2, "")


def test_other_names_of_the_searches(qmd: Qmd) -> None:
    for name, ours in (("deep-search", "query"), ("vector-search", "vsearch")):
        assert qmd.ok(name, "authentication", "--files") == qmd.ok(ours, "authentication", "--files")


def test_jsonl_has_a_line_for_each_stage(qmd: Qmd) -> None:
    stages = [json.loads(line) for line in qmd.ok("query", "meeting", "--jsonl").splitlines()]
    assert [(stage["version"], stage["stage"], stage["done"]) for stage in stages] == [
        (1, "lexical", False),
        (1, "fused", True),
    ]
    assert stages[1]["results"][0].keys() == json.loads(qmd.ok("query", "meeting", "--json"))[0].keys()


# -- get (cases 31 to 37) --------------------------------------------------------------------


@pytest.mark.parametrize(
    "ref",
    ["fixtures/test1.md", "qmd://fixtures/test1.md", "//fixtures/test1.md", "qmd:////fixtures/test1.md", "test1.md",
     "qmd://fixtures/test1%2Emd", "./test1.md", "../fixtures/test1.md", "{fixtures}/test1.md"],
)  # fmt: skip
def test_get(qmd: Qmd, ref: str) -> None:
    out = qmd.ok("get", ref.format(fixtures=qmd.fixtures), cwd=qmd.fixtures)
    assert re.match(rf"qmd://fixtures/test1\.md {DOCID}\nContext: {CONTEXT}\n1: # Test Document 1\n", out)


@pytest.mark.parametrize("flags", [["--from", "-19", "-l", "1"], ["--from=-19", "-l", "1"], ["-l", "1"]], ids=" ".join)
def test_get_from_the_top(qmd: Qmd, flags: list[str]) -> None:
    assert qmd.ok("get", "fixtures/test1.md", *flags).splitlines()[-1] == "1: # Test Document 1"


def test_a_name_that_may_be_two_documents(qmd: Qmd) -> None:
    (qmd.fixtures / "docs" / "meeting.md").write_text("# Another meeting\n")
    qmd.ok("update")
    try:
        for command, code in (("get", 2), ("multi-get", 1)):
            done = qmd(command, "meeting.md")
            assert (done.returncode, done.stdout) == (code, "")
            assert "qmd://fixtures/docs/meeting.md, qmd://fixtures/notes/meeting.md" in done.stderr
    finally:
        (qmd.fixtures / "docs" / "meeting.md").unlink()
        qmd.ok("update")


def test_get_by_a_bare_docid(qmd: Qmd) -> None:
    found = docid(qmd, "test1.md")
    assert qmd.ok("get", found.removeprefix("#")) == qmd.ok("get", f'"{found}"') == qmd.ok("get", "test1.md")


def test_get_several(qmd: Qmd) -> None:
    done = qmd("get", "test1.md:1:1", "nowhere.md", "test2.md:1:1", "--no-line-numbers")
    assert done.returncode == 1
    assert re.findall(r"^# .*", done.stdout, re.MULTILINE) == ["# Test Document 1", "# Test Document 2"]
    assert "nowhere.md" in done.stderr
    rows = [json.loads(line) for line in qmd.ok("get", "test1.md", "test2.md", "--json").splitlines()]
    assert [row["text"] + "\n" for row in rows] == [FILES["test1.md"], FILES["test2.md"]]


def test_get_full_path(qmd: Qmd, tmp_path: Path) -> None:
    inside = qmd.ok("get", "fixtures/test1.md", "--full-path", cwd=qmd.fixtures)
    assert inside.splitlines()[0] == "./test1.md"
    outside = qmd.ok("get", "fixtures/test1.md", "--full-path", cwd=tmp_path)
    assert outside.splitlines()[0] == str((qmd.fixtures / "test1.md").resolve())


def test_get_full_path_of_a_file_that_is_gone(qmd: Qmd) -> None:
    place = qmd.fixtures / "test2.md"
    place.rename(place.with_suffix(".away"))
    try:
        done = qmd("get", "fixtures/test2.md", "--full-path")
    finally:
        place.with_suffix(".away").rename(place)
    assert done.returncode == 0
    assert re.match(rf"qmd://fixtures/test2\.md {DOCID}\n", done.stdout)
    assert "has no file any more" in done.stderr


def test_a_near_name_is_suggested_and_not_shown(qmd: Qmd) -> None:
    done = qmd("get", "fixtures/notes/meetings.md")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Did you mean qmd://fixtures/notes/meeting.md?" in done.stderr


@pytest.mark.parametrize(("name", "why"), [(".hidden.md", "hidden"), ("photo.jpg", "pattern"), ("new.md", "yet")])
def test_a_file_that_is_not_indexed_is_explained(qmd: Qmd, name: str, why: str) -> None:
    (qmd.fixtures / name).write_text("x")
    try:
        done = qmd("get", f"fixtures/{name}")
    finally:
        (qmd.fixtures / name).unlink()
    assert (done.returncode, done.stdout) == (1, "")
    assert why in done.stderr


# -- multi-get (cases 38 to 43) --------------------------------------------------------------


def files(qmd: Qmd, pattern: str) -> list[str]:
    return [line.split(",")[1] for line in qmd.ok("multi-get", pattern, "--files").splitlines()]


@pytest.mark.parametrize(
    "pattern", ["notes/*.md", "fixtures/notes/*.md", "qmd://fixtures/notes/*", "**/{ideas,meeting}.md"]
)
def test_multi_get_by_glob(qmd: Qmd, pattern: str) -> None:
    assert files(qmd, pattern) == ["qmd://fixtures/notes/ideas.md", "qmd://fixtures/notes/meeting.md"]


def test_multi_get_by_list(qmd: Qmd) -> None:
    wanted = f"README.md, notes/meeting.md,{docid(qmd, 'docs/api.md')}"
    assert files(qmd, wanted) == [f"qmd://fixtures/{name}" for name in ("README.md", "notes/meeting.md", "docs/api.md")]


def test_multi_get_says_what_is_not_there(qmd: Qmd) -> None:
    done = qmd("multi-get", "pi.md,ZZZ-nonexistent.md,#000000")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.findall("File not found: ([^.]+)", done.stderr) == ["pi", "ZZZ-nonexistent", "#000000"]
    done = qmd("multi-get", "nowhere/*.md")
    assert (done.returncode, done.stdout) == (1, "")
    assert "No documents match" in done.stderr


def test_multi_get_as_json(qmd: Qmd) -> None:
    rows = json.loads(qmd.ok("multi-get", "*.md", "--json", "--max-bytes", "60", "--no-line-numbers"))
    by_name = {os.path.basename(row["file"]): row for row in rows}
    assert by_name["README.md"]["body"] + "\n" == FILES["README.md"]
    assert by_name["test1.md"]["skipped"] is True
    assert "over the limit of 60" in by_name["test1.md"]["reason"]
    assert all(re.fullmatch(DOCID, row["docid"]) and row["context"] == CONTEXT for row in rows)


def test_multi_get_skips_in_every_format(qmd: Qmd) -> None:
    arguments = ("multi-get", "test1.md", "--max-bytes", "10")
    assert qmd.ok(*arguments, "--files").endswith(f',"{CONTEXT}",[SKIPPED]\n')
    assert "[SKIPPED: " in qmd.ok(*arguments)
    assert "[SKIPPED: " in qmd.ok(*arguments, "--md")
    assert next(csv.DictReader(io.StringIO(qmd.ok(*arguments, "--csv"))))["skipped"] == "true"
    assert ET.fromstring(qmd.ok(*arguments, "--xml"))[0].get("skipped")


def test_multi_get_numbers_lines_and_cuts(qmd: Qmd) -> None:
    assert "\n1: # Test Document 1\n2: \n\n" in qmd.ok("multi-get", "test1.md", "-l", "2")
    assert "\n# Test Document 1\n" in qmd.ok("multi-get", "test1.md", "--no-line-numbers")
    out = qmd.ok("multi-get", "notes/meeting.md", "--full-path", "--md", cwd=qmd.fixtures)
    assert out.startswith("## ./notes/meeting.md\n")
    assert "docid" not in out


def test_multi_get_of_a_name_with_a_bracket(qmd: Qmd) -> None:
    place = qmd.fixtures / "[draft] plan.md"
    place.write_text("# Plan\n\nbettong\n")
    qmd.ok("update")
    try:
        assert files(qmd, "[draft] plan.md") == ["qmd://fixtures/[draft] plan.md"]
        assert "bettong" in qmd.ok("get", "[draft] plan.md")
    finally:
        place.unlink()
        qmd.ok("update")


# -- ls (case 47) ----------------------------------------------------------------------------


def test_ls(qmd: Qmd) -> None:
    done = qmd("ls")
    assert (done.returncode, done.stdout, done.stderr) == (0, "qmd://fixtures/  (6 files)\n", "Collections:\n")
    below = qmd.ok("ls", "fixtures/notes")
    assert [line.split()[-1] for line in below.splitlines()] == [
        "qmd://fixtures/notes/ideas.md",
        "qmd://fixtures/notes/meeting.md",
    ]
    assert qmd.ok("ls", "qmd://fixtures/notes") == below
    rows = json.loads(qmd.ok("ls", "fixtures/README.md", "--json"))
    assert [row["size_bytes"] for row in rows] == [len(FILES["README.md"])]


@pytest.mark.parametrize(("place", "message"), [("nonexistent", "Collection not found"), ("fixtures/no", "nothing at")])
def test_ls_of_what_is_not_there(qmd: Qmd, place: str, message: str) -> None:
    done = qmd("ls", place)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
