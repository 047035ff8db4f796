"""Our converted files against those of CTranslate2's own converter, variable by variable."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("torch", reason="make parity has it")
pytest.importorskip("transformers", reason="make parity has it")

from ctranslate2.converters import TransformersConverter

from qmd_daemon.weights.convert import bert, qwen2, qwen3, xlm_roberta
from qmd_daemon.weights.convert.writer import QUANTIZATIONS
from tests.parity import checkpoints
from tests.parity.checkpoints import MODELS

pytestmark = pytest.mark.filterwarnings("ignore")
CONVERT = {"bert": bert.convert, "xlm-roberta": xlm_roberta.convert, "qwen2": qwen2.convert, "qwen3": qwen3.convert}


class Binary(NamedTuple):
    head: bytes
    variables: dict[str, tuple[tuple[int, ...], int, bytes]]
    aliases: dict[str, str]


def parse(path: Path) -> Binary:
    raw, at = path.read_bytes(), 0

    def take(form: str) -> tuple[int, ...]:
        nonlocal at
        values = struct.unpack_from(form, raw, at)
        at += struct.calcsize(form)
        return values

    def text() -> str:
        nonlocal at
        (length,) = take("<H")
        at += length
        return raw[at - length : at - 1].decode()

    take("<I")
    text()
    take("<I")
    head = raw[:at]
    variables = {}
    for _ in range(take("<I")[0]):
        name = text()
        shape = take(f"<{take('<B')[0]}I")
        (kind, size) = (take("<B")[0], take("<I")[0])
        variables[name] = (shape, kind, raw[at : at + size])
        at += size
    aliases = {text(): text() for _ in range(take("<I")[0])}
    assert at == len(raw)
    return Binary(head, variables, aliases)


# One model of each family in every way; the others in one.
THOROUGH = ["bert classifier", "xlm-roberta classifier", "qwen2", "qwen3"]
CASES = [(name, dtype, kind) for name in THOROUGH for dtype in checkpoints.DTYPES for kind in QUANTIZATIONS]
CASES += [(name, "bfloat16", "int8") for name in MODELS if name not in THOROUGH]


@pytest.mark.parametrize(("name", "dtype", "quantization"), CASES)
def test_the_same_variables(name: str, dtype: str, quantization: str, tmp_path: Path) -> None:
    source, ours, theirs = tmp_path / "source", tmp_path / "ours", tmp_path / "theirs"
    checkpoints.make(name, source, dtype)
    ours.mkdir()
    family = MODELS[name][0]
    CONVERT[family](str(source), str(ours), quantization, "none" if "bert" in family else "lm")
    TransformersConverter(str(source)).convert(str(theirs), quantization=quantization)
    mine, truth = parse(ours / "model.bin"), parse(theirs / "model.bin")
    # What classifies is kept elsewhere.
    expected = {key: value for key, value in truth.variables.items() if "pooler" not in key}
    assert list(mine.variables) == list(expected)
    assert [key for key, value in mine.variables.items() if value != expected[key]] == []
    assert mine.head == truth.head
    assert mine.aliases == truth.aliases
    assert json.loads((ours / "vocabulary.json").read_text()) == json.loads((theirs / "vocabulary.json").read_text())
