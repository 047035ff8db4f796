import gc
import io
from pathlib import Path

import pytest

from ipc.paths import Paths
from qmd_daemon import __version__
from qmd_tui.cli import main as cli
from qmd_tui.cli.elsewhere import ALIASES


def qmd(*argv: str) -> int:
    return cli.execute(argv)


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QMD_HOME", str(tmp_path))


@pytest.mark.parametrize("flag", ["--version", "-v", "version"])
def test_version(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    assert qmd(flag) == 0
    assert capsys.readouterr() == (f"qmd {__version__}\n", "")


@pytest.mark.parametrize("flag", ["--help", "-h", "help"])
def test_help_names_every_command(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    assert qmd(flag) == 0
    out, err = capsys.readouterr()
    assert "Usage:" in out
    assert all(f"\n  {name} " in out for name in cli.COMMANDS)
    assert err == ""


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        qmd(name, "--help")
    assert exit_.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: qmd {name}")


@pytest.mark.parametrize(
    ("argv", "name"), [(["help", "search"], "search"), (["collection", "help"], "collection"), (["help", "ls"], "ls")]
)
def test_help_may_be_a_word(capsys: pytest.CaptureFixture[str], argv: list[str], name: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        qmd(*argv)
    assert exit_.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: qmd {name} ")


def test_a_search_may_look_for_the_word_help(monkeypatch: pytest.MonkeyPatch) -> None:
    import qmd_tui.cli.search

    seen: list[str] = []
    monkeypatch.setattr(qmd_tui.cli.search, "run", lambda args, _: seen.extend(args.query) or 0)
    assert qmd("search", "help") == 0
    assert seen == ["help"]


def test_no_command_and_no_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert qmd() == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "Usage:" in err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["serch"], "Unknown command 'serch'.\nDid you mean `qmd search`?"),
        (["zzz"], "Unknown command 'zzz'.\nSee `qmd --help`; `qmd doctor` looks"),
        (["search"], "search: the following arguments are required: QUERY.\nusage: qmd search"),
        (["search", "a", "--jsn"], "search: unknown option '--jsn'.\nDid you mean --json?"),
        (["search", "a", "--minscore=2"], "search: unknown option '--minscore=2'.\nDid you mean --min-score?"),
        (["search", "a", "-z"], "unknown option '-z'.\nSee `qmd search --help`. Words that begin with a dash"),
        (["stop", "now"], "stop: unknown argument 'now'."),
        (["search", "a", "-n", "0"], "argument -n: '0' is not a whole number from 1 on."),
        (["search", "a", "-n", "1001"], "-n 1001 is over the limit of 1000."),
        (["search", "a", "--min", "1"], "search: unknown option '--min'."),
        (["collection", "ad", "."], "collection: Unknown subcommand 'ad'.\nDid you mean add?"),
        (["context", "zzz"], "context: Unknown subcommand 'zzz'.\nThere are: add, list, rm, remove."),
        (["server", "--engine", "fakee"], "server: Unknown --engine value 'fakee'.\nDid you mean fake?"),
        (["collection", "add", ".", "--nam", "x"], "collection add: unknown option '--nam'.\nDid you mean --name?"),
        (["collection", "list", "--jsn"], "collection list: unknown option '--jsn'.\nDid you mean --json?"),
        (["skill", "install", "--yes"], "skill install: unknown option '--yes'.\nNothing is asked here; -f"),
        (["search", "a", "--format", "jsom"], "search: Unknown --format value 'jsom'.\nDid you mean json?"),
        (["pull", "--refresh"], "pull: unknown option '--refresh'.\nWhat is damaged is fetched again"),
        (
            ["embed", "--max-docs-per-batch", "0"],
            "embed: unknown option '--max-docs-per-batch'.\nBatches are cut by tokens",
        ),
        (["query", "a", "--no-gpu"], "query: unknown option '--no-gpu'.\nSet QMD_DEVICE=cpu"),
        (["collection", "add"], "Usage: qmd collection add <path>\nPass '.' to index the current directory."),
        (["completion", "tcsh"], "completion"),
        (["--index"], "--index needs a name."),
        (["--index", "../x", "search", "a"], "'../x' is not an index name."),
        (["search", "a", "--index", ""], "'' is not an index name."),
    ],
)
def test_mistakes_are_told_with_what_was_probably_meant(
    capsys: pytest.CaptureFixture[str], argv: list[str], message: str
) -> None:
    assert qmd(*argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("qmd: ")
    assert message in err


@pytest.mark.parametrize(
    "argv",
    [["--index", "work", "stop"], ["--index=work", "stop"], ["stop", "--index", "work"], ["stop", "--index=work"]],
)
def test_the_index_may_stand_before_the_command_or_after_it(monkeypatch: pytest.MonkeyPatch, argv: list[str]) -> None:
    import qmd_tui.cli.stop

    seen: list[str] = []
    monkeypatch.setattr(qmd_tui.cli.stop, "run", lambda args, _: seen.append(args.index) or 0)
    assert qmd(*argv) == 0
    assert seen == ["work"]


@pytest.mark.parametrize(
    "argv",
    [
        ["collection", "list", "--index", "work"],
        ["collection", "--index", "work", "list"],
        ["--index", "work", "collection", "list"],
    ],
    ids=" ".join,
)
def test_the_index_may_stand_after_a_subcommand(monkeypatch: pytest.MonkeyPatch, argv: list[str]) -> None:
    import qmd_tui.cli.collection

    seen: list[str] = []
    monkeypatch.setattr(qmd_tui.cli.collection, "run", lambda args, _: seen.append(args.index) or 0)
    assert qmd(*argv) == 0
    assert seen == ["work"]


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), cli.INTERRUPTED), (BrokenPipeError(), cli.BROKEN_PIPE)]
)
def test_ways_to_end_early_are_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    def fail(_: object, __: Paths) -> int:
        raise error

    monkeypatch.setattr("qmd_tui.cli.stop.run", fail)
    monkeypatch.setattr("qmd_tui.output.streams.abandon", lambda: None)
    assert qmd("stop") == code
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_other_names_of_commands(capsys: pytest.CaptureFixture[str], alias: str, name: str) -> None:
    with pytest.raises(SystemExit):
        qmd(alias, "--help")
    assert capsys.readouterr().out.startswith(f"usage: qmd {name}")


def test_in_a_project_its_index_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import qmd_tui.cli.stop

    seen: list[str] = []
    monkeypatch.setattr(qmd_tui.cli.stop, "run", lambda args, _: seen.append(args.index) or 0)
    (tmp_path / ".qmd").mkdir()
    (tmp_path / ".qmd" / "index.yml").touch()
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    for argv in (["stop"], ["stop", "--index", "index"]):
        assert qmd(*argv) == 0
    assert seen == [str(tmp_path / ".qmd"), "index"]


@pytest.mark.parametrize(
    ("line", "at_once"),
    [
        ("search words", True),
        ("--index notes search words", True),
        ("--index=notes get a.md", True),
        ("query search", False),
        ("update", False),
        ("--index", False),
        ("", False),
    ],
)
def test_only_a_process_that_has_read_and_nothing_else_leaves_at_once(
    monkeypatch: pytest.MonkeyPatch, line: str, at_once: bool
) -> None:
    left: list[int] = []
    monkeypatch.setattr("sys.argv", ["qmd", *line.split()])
    monkeypatch.setattr(cli, "execute", lambda _: 3)
    monkeypatch.setattr("os._exit", left.append)
    assert cli.main() == 3
    gc.enable()
    assert left == ([3] if at_once else [])
