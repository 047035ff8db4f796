from __future__ import annotations

from pathlib import Path

import pytest

from ipc.errors import QmdError
from qmd_tui.configuration import TuiConfig, load


def test_without_a_file_all_is_as_usual(tmp_path: Path) -> None:
    assert load(str(tmp_path / "tui.toml")) == TuiConfig()


def test_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "tui.toml").write_text('theme = "light"\nhistory = false\n[keys]\n"search.open" = "ctrl+g"\n')
    assert load(str(tmp_path / "tui.toml")) == TuiConfig(theme="light", history=False, keys={"search.open": "ctrl+g"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("theme = ", "is not TOML"),
        ("theme = 3", "Expected `str`"),
        ("them = 'light'", "Did you mean 'theme'?"),
        ('[keys]\n"search.opn" = "x"', "Did you mean 'search.open'?"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "tui.toml").write_text(text)
    with pytest.raises(QmdError) as failure:
        load(str(tmp_path / "tui.toml"))
    assert said in str(failure.value)
