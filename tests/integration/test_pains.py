"""What hurts the users of tobi/qmd, by the number of their issue there, tried with the real program."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.program import QMD, Qmd

pytestmark = pytest.mark.xdist_group("pains")
FILES = {
    "a b.md": "# Spaces\n\nquokka\n",
    "a-b.md": "# Hyphen\n\nquokka\n",
    "a_b.md": "# Underscore\n\nquokka\n",
    "a___b.md": "# Three\n\nquokka\n",
    "🐘 elephant.md": "# Elephant\n\nquokka\n",
    "routes/api/$.ts": "export const quokka = 1\n",
}


@pytest.fixture(scope="module")
def qmd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qmd]:
    program = Qmd(tmp_path_factory.mktemp("pains"), FILES)
    program.ok("collection", "add", str(program.fixtures), "--name", "mine")
    yield program
    program.ok("stop")


def test_names_that_look_alike_are_different_files(qmd: Qmd) -> None:
    """#717, #801: theirs rewrites names, and two may become one. Case 64: ours are found as they are called."""
    rows = json.loads(qmd.ok("search", "quokka", "--json", "-n", "20"))
    assert len({row["file"] for row in rows}) == len(FILES)
    for name, text in FILES.items():
        assert qmd.ok("get", f"mine/{name}", "--no-line-numbers").endswith(f"\n{text}")
        found = next(
            row for row in rows if row["title"] in text or (row["file"].endswith(".ts") and name.endswith(".ts"))
        )
        assert qmd.ok("get", found["file"], "--no-line-numbers").endswith(f"\n{text}")


def test_readers_and_writers_at_once(qmd: Qmd, tmp_path: Path) -> None:
    """#710, #903, #797, #925: busy and broken indexes under concurrent readers and writers."""
    for number in range(60):
        (tmp_path / f"{number}.md").write_text(f"# Note {number}\n\nquokka {number}\n")

    def run(argv: list[str]) -> subprocess.CompletedProcess[str]:
        return qmd(*argv)

    writing = [["collection", "add", str(tmp_path), "--name", "more"], ["update"], ["embed"], ["update"]]
    reading = [["search", "quokka", "--json"], ["status", "--json"], ["multi-get", "*.md", "--files"]] * 8
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(run, writing + reading))
    assert [(one.args[3:], one.stderr) for one in done if one.returncode != 0] == []
    assert "Indexed: 0 new, 0 updated, 66 unchanged" in qmd.ok("update")
    qmd.ok("collection", "remove", "more")


def test_a_huge_file_is_left_out_and_named(tmp_path: Path) -> None:
    """#156: a log of 50 MB becomes 19,275 chunks, and fills every page of results."""
    qmd = Qmd(tmp_path, {"a.md": "# Small\n\nquokka\n", "big.log.txt": "quokka error\n" * 1000})
    config = tmp_path / "home" / "config"
    config.mkdir(parents=True)
    (config / "config.toml").write_text("[ingest]\nmax_file_bytes = 10000\n")
    done = qmd("collection", "add", str(qmd.fixtures))
    assert "Indexed: 1 new" in done.stdout
    assert "big.log.txt" in done.stderr
    assert qmd.ok("search", "quokka", "--files").count("\n") == 1
    qmd.ok("stop")


def test_what_is_not_embedded_yet_is_seen(qmd: Qmd) -> None:
    """#915: a partial embedding is invisible in `status`."""
    (qmd.fixtures / "later.md").write_text("# Later\n\nnumbat\n")
    qmd.ok("update")
    assert json.loads(qmd.ok("status", "--json"))["index"]["pending"] == 1
    assert "1 document" in qmd.ok("status").partition("qmd embed")[0].splitlines()[-1]
    qmd.ok("embed")
    assert json.loads(qmd.ok("status", "--json"))["index"]["pending"] == 0
    (qmd.fixtures / "later.md").unlink()
    qmd.ok("update")


def test_progress_is_for_terminals(qmd: Qmd) -> None:
    """#776: a progress bar fills the transcript of an agent."""
    for command in (["update"], ["embed", "-f"]):
        done = qmd(*command)
        assert done.returncode == 0
        assert len(done.stderr.splitlines()) <= 4
        assert "\x1b" not in done.stderr + done.stdout
        assert "\r" not in done.stderr


def test_front_matter_is_no_text(qmd: Qmd) -> None:
    """#975: YAML front matter is embedded, and gibberish finds it."""
    (qmd.fixtures / "matter.md").write_text("---\ntags: [bilby]\n---\n# Matter\n\nOf potoroos.\n")
    (qmd.fixtures / "text.md").write_text("# Text\n\nOf a bilby among many other animals of the night.\n")
    qmd.ok("update")
    qmd.ok("embed")
    rows = json.loads(qmd.ok("vsearch", "bilby", "--json"))
    scores = {row["file"]: row["score"] for row in rows}
    assert scores["qmd://mine/text.md"] > 0.2 > scores.get("qmd://mine/matter.md", 0.0)
    for name in ("matter.md", "text.md"):
        (qmd.fixtures / name).unlink()
    qmd.ok("update")


def test_a_question_in_words_finds_something(qmd: Qmd) -> None:
    """Section 5.2: one word that is missing empties their page."""
    rows = json.loads(qmd.ok("search", "where did I write about the quokka last spring", "--json"))
    assert len(rows) >= 5


def test_what_goes_wrong_says_nothing_on_stdout(qmd: Qmd, tmp_path: Path) -> None:
    """Whatever is refused, stdout is for results."""
    for argv in (
        ["search"], ["search", "a", "--jsn"], ["query", "intent: x"], ["vsearch", "a", "-c", "nope", "--json"],
        ["get", "nowhere.md", "--json"], ["multi-get", "nowhere.md", "--json"], ["ls", "nope", "--json"],
        ["similar", "nowhere.md", "--json"], ["collection", "show", "nope", "--json"], ["context", "rm", "qmd://nope"],
        ["bench", "nowhere.json", "--json"], ["trust"], ["mcp", "stop"], ["models", "plan", "x"], ["pull", "x.gguf"],
        ["collection", "add", str(tmp_path / "nowhere")], ["rerank", "x"], ["completion", "tcsh"], ["frobnicate"],
    ):  # fmt: skip
        done = qmd(*argv, cwd=tmp_path)
        assert (done.stdout in {"", "[]\n"}, done.returncode in {1, 2, 3}) == (True, True), (argv, done)
        assert "Traceback" not in done.stderr


def test_a_program_in_another_language_reads_it(qmd: Qmd) -> None:
    """Formats for programs are UTF-8 whatever the locale is: a `\\U0001f418` in JSON is no JSON."""
    env = {**qmd.env, "LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
    for flag in ("--json", "--jsonl", "--csv", "--files", "--md", "--xml"):
        done = subprocess.run([*QMD, "search", "elephant", flag], env=env, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "qmd://mine/🐘 elephant.md" in done.stdout.decode("utf-8")
