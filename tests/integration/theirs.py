"""The fixtures of tobi/qmd's own tests, in an installation of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.program import Qmd

FILES = {
    "README.md": "# Test Project\n\nThis is a test project.\n",
    "notes/meeting.md": "# Team Meeting\n\nNotes of the meeting about authentication & <tags>.\n",
    "notes/ideas.md": "# Ideas\n\n```\nA cache, as said in the meeting.\n```\n",
    "docs/api.md": "# API\n\nThe authentication endpoint.\n",
    "test1.md": "# Test Document 1\n\nThis is the first test document.\n\n"
    "It has multiple lines for testing line numbers.\n"
    "Line 6 is here.\nLine 7 is here.\n",
    "test2.md": "# Test Document 2\n\nThis is the second test document.\n",
}
CONTEXT = "Test fixtures for QMD"
DOCID = "#[a-f0-9]{6}"
SEARCHES = ("search", "vsearch", "query")


@contextmanager
def installed(root: Path) -> Iterator[Qmd]:
    """The program, and its fixtures indexed and embedded. Its daemon is stopped in the end."""
    program = Qmd(root, FILES)
    config = Path(program.env["QMD_HOME"], "config")
    config.mkdir(parents=True)
    collection = f"path: {program.fixtures}\n    pattern: '**/*.md'\n    context:\n      /: {CONTEXT}\n"
    (config / "index.yml").write_text(f"collections:\n  fixtures:\n    {collection}")
    program.ok("update")
    program.ok("embed")
    yield program
    program.ok("stop")


def docid(qmd: Qmd, path: str) -> str:
    return qmd.ok("get", f"fixtures/{path}", "-l", "1").split()[1]
