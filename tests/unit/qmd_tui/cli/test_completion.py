"""The scripts in the shells that they are for. A shell that is not installed is left out."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

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


def complete(scripts: dict[str, Path], *words: str) -> set[str]:
    """What bash offers for the last word. A `qmd` on its PATH knows the collections `notes` and `docs`."""
    stub = scripts["bash"].with_name("qmd")
    stub.write_text("#!/bin/sh\nprintf 'qmd://%s/  (1 file)\\n' notes docs\n")
    stub.chmod(0o700)
    line = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _shtab_qmd; printf "%s\\n" "${COMPREPLY[@]}"'
    env = {**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", line, str(scripts["bash"]), *words], env=env, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_the_shell_can_read_it(scripts: dict[str, Path], shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    subprocess.run([*CHECK[shell], str(scripts[shell])], check=True)
    text = scripts[shell].read_text()
    assert all(name in text for name in main.COMMANDS)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["qmd", "vse"], {"vsearch"}),
        (["qmd", "search", "--full"], {"--full", "--full-path"}),
        (["qmd", "collection", "re"], {"remove", "rename"}),
        (["qmd", "search", "-c", ""], {"notes", "docs"}),
        (["qmd", "collection", "rename", "no"], {"notes"}),
        (["qmd", "completion", "z"], {"zsh"}),
    ],
)
def test_what_bash_offers(scripts: dict[str, Path], words: list[str], expected: set[str]) -> None:
    assert complete(scripts, *words) >= expected
    assert {word for word in complete(scripts, *words) if not word.startswith(words[-1])} == set()


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
def test_what_fish_offers(scripts: dict[str, Path]) -> None:
    done = subprocess.run(
        ["fish", "-c", f"source {scripts['fish']}; complete -C 'qmd vse'"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("vsearch\t")
