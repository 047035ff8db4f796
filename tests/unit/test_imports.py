"""Start-up counts: what a command must not import, seen in a real process. (import-linter checks other things.)"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Runs `qmd` with the arguments given, then prints which of these modules it has imported.
SCRIPT = """
import sys
from qmd_tui.cli.main import execute
watched, *argv = sys.argv[1:]
code = execute(argv)
print(code, *(name for name in watched.split(",") if name in sys.modules), sep="\\n")
"""
HEAVY = tuple("msgspec zmq asyncio textual rich aiohttp numpy numkong usearch ctranslate2 structlog".split())


def run(tmp_path: Path, *argv: str, watched: tuple[str, ...] = HEAVY) -> tuple[int, list[str]]:
    """The exit code, and those of the watched modules that were imported."""
    finished = subprocess.run(
        [sys.executable, "-c", SCRIPT, ",".join(watched), *argv],
        env={**os.environ, "QMD_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = finished.stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.isdigit())
    return int(lines[start]), lines[start + 1 :]


@pytest.mark.parametrize("argv", [["--version"], ["--help"], ["serch"]])
def test_what_needs_no_index_imports_nothing(tmp_path: Path, argv: list[str]) -> None:
    _, imported = run(tmp_path, *argv, watched=(*HEAVY, "tantivy", "sqlite3", "argparse", "json", "qmd_daemon.offline"))
    assert imported == []


def test_search_imports_what_it_needs(tmp_path: Path) -> None:
    code, imported = run(tmp_path, "search", "anything", watched=(*HEAVY, "dataclasses", "difflib", "subprocess"))
    assert (code, imported) == (1, [])


def test_get_imports_what_it_needs(tmp_path: Path) -> None:
    code, imported = run(tmp_path, "get", "nowhere.md", watched=HEAVY)
    assert (code, imported) == (1, [])


def test_the_blocking_commands_import_no_event_loop(tmp_path: Path) -> None:
    code, imported = run(tmp_path, "stop", watched=("asyncio", "textual", "aiohttp", "numpy", "tantivy"))
    assert (code, imported) == (0, [])


@pytest.mark.parametrize("argv", [["mcp", "stop"], ["status"], ["vsearch"], ["stop"]], ids=" ".join)
def test_only_agents_pay_for_their_protocol(tmp_path: Path, argv: list[str]) -> None:
    _, imported = run(tmp_path, *argv, watched=("mcp", "pydantic", "starlette"))
    assert imported == []


def test_the_daemon_does_not_import_it_to_start() -> None:
    script = "import sys, qmd_daemon.app; print({'mcp', 'pydantic', 'starlette'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
