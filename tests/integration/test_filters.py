"""Filters on the command line: the same answer from the index alone and from the daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.integration.program import Qmd

pytestmark = pytest.mark.xdist_group("filters")
FILES = {
    "gpu.md": "---\ntags: [gpu, cuda]\ndate: 2026-04-10\n---\n# GPU\n\nMemory of the card.\n",
    "notes/old.md": "---\ntags: journal\ndate: 2020-01-02\n---\n# Old\n\nMemory of the year.\n",
    "notes/plain.md": "# Plain\n\nMemory of nothing.\n",
    "src/memory.py": "memory = 1\n",
}


@pytest.fixture(scope="module")
def qmd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qmd]:
    program = Qmd(tmp_path_factory.mktemp("filters"), FILES)
    program.ok("collection", "add", str(program.fixtures), "--mask", "**/*.{md,py}")
    yield program
    program.ok("stop")


@pytest.mark.parametrize("command", ["search", "vsearch", "query"])
@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (["--where", "tags=gpu"], {"gpu.md"}),
        (["--type", "py"], {"src/memory.py"}),
        (["--path", "notes/**"], {"notes/old.md", "notes/plain.md"}),
        (["--before", "2021"], {"notes/old.md"}),
        (["--after", "2026-04-10", "--before", "2026-04-11"], {"gpu.md"}),
        (["--path", "notes/**", "--where", "tags!=journal"], {"notes/plain.md"}),
    ],
)
def test_only_what_passes_is_found(qmd: Qmd, command: str, flags: list[str], found: set[str]) -> None:
    hits = json.loads(qmd.ok(command, "memory", *flags, "--json"))
    assert {hit["file"].removeprefix("qmd://fixtures/") for hit in hits} == found


def test_a_filter_that_makes_no_sense_is_refused_in_words(qmd: Qmd) -> None:
    for command in ("search", "query"):
        done = qmd(command, "memory", "--after", "soon")
        assert done.returncode != 0
        assert "'soon' is no date" in done.stderr


def test_a_budget_is_read_and_a_wrong_one_refused(qmd: Qmd) -> None:
    assert json.loads(qmd.ok("query", "memory", "--budget", "5s", "--json"))
    assert "is no time" in qmd("query", "memory", "--budget", "soon").stderr
