from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from ipc.errors import QmdError
from qmd_daemon.engine.fake import INFO
from qmd_daemon.engine.model import ModelInfo
from qmd_daemon.serve import tokens


@pytest.fixture
def model(tmp_path: Path) -> ModelInfo:
    """One with a vocabulary of three words, that sees four tokens."""
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "backup": 1, "note": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.enable_truncation(1)  # of its own: not ours
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return ModelInfo("m", "f", 3, 4, str(tmp_path / "tokenizer.json"))


def test_what_the_model_sees_is_counted(model: ModelInfo) -> None:
    assert tokens.count(model, ["backup note", "", "note " * 100]) == 2 + 0 + 4


def test_tokens_become_texts(model: ModelInfo) -> None:
    assert tokens.decode(model, [[1, 2], [2]]) == ["backup note", "note"]


@pytest.mark.parametrize("token", [3, 10_000, -1])
def test_a_token_of_another_model(model: ModelInfo, token: int) -> None:
    with pytest.raises(QmdError, match="0 to 2"):
        tokens.decode(model, [[token]])


def test_a_model_without_tokens_counts_words() -> None:
    assert tokens.count(INFO, ["one two", "three"]) == 3
    with pytest.raises(QmdError, match="has no tokens"):
        tokens.decode(INFO, [[1]])
