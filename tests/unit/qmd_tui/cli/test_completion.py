"""The scripts in the shells that they are for. A shell that is not installed is left out."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from qmd_tui.cli import completion, main

CHECK = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "-n"]}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("completion")
    for shell in completion.SHELLS:
        done = subprocess.run(
            [sys.executable, "-m", "qmd_tui.cli.main", "completion", shell], capture_output=True, check=True
        )
        (folder / shell).write_bytes(done.stdout)
    return {shell: folder / shell for shell in completion.SHELLS}


@pytest.fixture(scope="module")
def path(scripts: dict[str, Path]) -> str:
    """A PATH with a `qmd` that knows the collections `notes` and `docs`."""
    stub = scripts["bash"].parent / "bin" / "qmd"
    stub.parent.mkdir()
    stub.write_text("#!/bin/sh\nprintf 'qmd://%s/  (1 file)\\n' notes docs\n")
    stub.chmod(0o700)
    return f"{stub.parent}:{os.environ['PATH']}"


Offer = Callable[[str], set[str]]


@pytest.fixture(scope="module")
def bash(scripts: dict[str, Path], path: str) -> Offer:
    line = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _shtab_qmd; printf "%s\\n" "${COMPREPLY[@]}"'
    return lambda words: said(["bash", "-c", line, str(scripts["bash"]), *words.split(" ")], path)


@pytest.fixture(scope="module")
def fish(scripts: dict[str, Path], path: str) -> Offer:
    return lambda words: said(["fish", "--no-config", "-c", f"source {scripts['fish']}; complete -C '{words}'"], path)


def said(command: list[str], path: str) -> set[str]:
    """The first column of what a shell prints."""
    env = {**os.environ, "PATH": path, "HOME": path.partition(":")[0]}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return {line.partition("\t")[0].strip() for line in done.stdout.splitlines()} - {""}


@pytest.fixture(scope="module")
def zsh(scripts: dict[str, Path], path: str) -> Iterator[Offer]:
    """One in a terminal, as its completion has to be, with a key that lists and completes nothing."""
    env = {"PATH": path, "TERM": "dumb", "HOME": path.partition(":")[0]}
    terminal = pexpect.spawn("zsh", ["-f", "-i"], env=env, encoding="utf-8", timeout=60, dimensions=(60, 200))
    terminal.sendline("autoload -U compinit; compinit -u -D; unset zle_bracketed_paste; PS1='qmd> '")
    terminal.sendline("zstyle ':completion:*' list-separator ,; bindkey '^T' list-choices")
    terminal.sendline(f"""eval "$(cat {scripts["zsh"]})"; echo rea''dy""")
    terminal.expect("ready\r\n")

    def offer(words: str) -> set[str]:
        terminal.send(f"{words}\x14\x15echo do''ne\r")
        terminal.expect("done\r\n")
        # What is listed stands between the lines that are typed, with what it means after the separator.
        listed = [line for line in terminal.before.split("\n") if "qmd" not in line]
        return {word for line in listed for word in ([line.split(",")[0].strip()] if "," in line else line.split())}

    yield offer
    terminal.close(force=True)


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_the_shell_can_read_it(scripts: dict[str, Path], shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    subprocess.run([*CHECK[shell], str(scripts[shell])], check=True)
    text = scripts[shell].read_text()
    assert all(name in text for name in main.COMMANDS)


@pytest.mark.parametrize("shell", completion.SHELLS)
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("qmd se", {"search", "server"}),
        ("qmd search --full", {"--full", "--full-path"}),
        ("qmd collection re", {"remove", "rename"}),
        ("qmd search -c ", {"notes", "docs"}),
        ("qmd search --format j", {"json", "jsonl"}),
        ("qmd completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_what_a_shell_offers(request: pytest.FixtureRequest, shell: str, words: str, expected: set[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    offered = request.getfixturevalue(shell)(words)
    assert offered >= expected
    assert {word for word in offered if not word.startswith(words.rpartition(" ")[2])} == set()
