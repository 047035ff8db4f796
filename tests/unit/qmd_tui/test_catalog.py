"""The catalogs of the interface: every sentence in the code has its translation, with the same gaps to fill."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from qmd_tui.language import DIRECTORY, ENGLISH, LANGUAGES

SOURCES = Path(DIRECTORY).parent
KEYWORDS = {"tr", "N_", "trn"}
OTHERS = [code for code in LANGUAGES if code != ENGLISH]


def sentences() -> set[str]:
    """All that the code wants translated, by the first form; also within f-strings, where pybabel finds nothing."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES.rglob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in KEYWORDS]
    first = [call.args[0] for call in named if call.args]
    return {one.value for one in first if isinstance(one, ast.Constant) and isinstance(one.value, str)} - {""}


def translations(code: str) -> dict[str, str]:
    with open(f"{DIRECTORY}/{code}/LC_MESSAGES/qmd.po", "rb") as file:
        catalog = read_po(file)
    firsts = {m.id[0] if isinstance(m.id, tuple) else m.id: m.string for m in catalog if m.id}
    return {key: text[0] if isinstance(text, tuple) else text for key, text in firsts.items()}


@pytest.mark.parametrize("code", OTHERS)
def test_every_sentence_is_translated_and_no_other(code: str) -> None:
    known = translations(code)
    assert sentences() == set(known)
    assert [key for key, text in known.items() if not text] == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_fills_the_same_gaps(code: str) -> None:
    def gaps(text: str) -> list[str]:
        return sorted(re.findall(r"\{\w*\}", text))

    assert [key for key, text in translations(code).items() if gaps(key) != gaps(text)] == []


@pytest.mark.parametrize("code", OTHERS)
def test_what_is_compiled_is_what_is_written(code: str) -> None:
    with open(f"{DIRECTORY}/{code}/LC_MESSAGES/qmd.mo", "rb") as file:
        compiled = read_mo(file)
    firsts = {m.id[0] if isinstance(m.id, list | tuple) else m.id: m.string for m in compiled if m.id}
    assert {key: text if isinstance(text, str) else text[0] for key, text in firsts.items()} == translations(code)
