"""The program as a person has it: the real command line in an installation of its own, with the fake engine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

QMD = (sys.executable, "-m", "qmd_tui.cli.main")


class Qmd:
    """The program below `root`, and the files in `root/fixtures`."""

    def __init__(self, root: Path, files: Mapping[str, str]) -> None:
        self.fixtures = root / "fixtures"
        self.fixtures.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            path = self.fixtures / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("QMD_")},
            "QMD_HOME": str(root / "home"),
            "QMD_HTTP_PORT": "0",
            "QMD_ENGINE": "fake",
            "PYTHONUTF8": "1",
        }

    def __call__(self, *argv: str, cwd: Path | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*QMD, *argv], env=self.env, cwd=cwd, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )

    def ok(self, *argv: str, cwd: Path | None = None) -> str:
        """What it printed, with exit code 0."""
        done = self(*argv, cwd=cwd)
        assert done.returncode == 0, done.stderr
        return done.stdout
