from pathlib import Path

import pytest

from qmd_daemon.weights import check
from qmd_daemon.weights.installed import Check

PRESENT = Check(name="all-minilm-l6-v2", role="embedding", ok=True, size_bytes=22_700_000)
MISSING = Check(name="all-minilm-l6-v2", role="embedding", ok=False, reason="not installed", hint="Install it: pip …")


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QMD_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (PRESENT, "OK Embedding (23MB)"),
        (MISSING, "MISSING Embedding all-minilm-l6-v2: Install it: pip …"),
        (Check(name="fake", role="embedding", ok=True, reason="hashed words"), "OK Embedding (hashed words)"),
    ],
)
def test_a_line(found: Check, line: str) -> None:
    assert check.describe(found) == line


@pytest.mark.parametrize(("found", "code"), [(PRESENT, 0), (MISSING, 3)])
def test_the_exit_code_says_whether_all_are_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], found: Check, code: int
) -> None:
    monkeypatch.setattr(check.installed, "check", lambda *_: [found])
    assert check.main([]) == code
    assert capsys.readouterr() == (f"{check.describe(found)}\n", "")


def test_download_says_what_to_type(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(check.installed, "check", lambda *_: [MISSING])
    assert check.main(["--download"]) == 3
    assert "nothing is fetched" in capsys.readouterr().err


def test_a_mistake_in_the_settings(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("QMD_MODEL", "all-minilm")
    assert check.main([]) == 2
    assert "Did you mean 'all-minilm-l6-v2'?" in capsys.readouterr().err
