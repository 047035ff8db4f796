"""all-MiniLM-L6-v2 with its real weights, over a thousand real sentences, against transformers."""

from __future__ import annotations

import ast
import re
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="make parity has it")
transformers = pytest.importorskip("transformers", reason="make parity has it")

from qmd_daemon.engine.device import Device  # noqa: E402
from qmd_daemon.engine.embed import Embedder  # noqa: E402
from qmd_daemon.weights import catalog  # noqa: E402
from qmd_daemon.weights.prepare import prepare  # noqa: E402

ENTRY = catalog.get("all-minilm-l6-v2")
SOURCE = catalog.find(ENTRY)
COUNT = 1000
# Mean cosine to transformers.
BOUNDS = {"float32": 0.9999, "int8": 0.995}
pytestmark = [
    pytest.mark.skipif(SOURCE is None, reason=catalog.install_hint(ENTRY)),
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.xdist_group("sentences"),
]


@pytest.fixture(scope="module")
def sentences() -> list[str]:
    """Of the docstrings of Python's own library: prose about a thousand subjects, and on every machine."""
    found: dict[str, None] = {}
    for file in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        tree = ast.parse(file.read_bytes())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = re.sub(r"\s+", " ", ast.get_docstring(node) or "")
                found.update(dict.fromkeys(s for s in re.split(r"(?<=[.!?]) ", text) if 4 <= len(s.split()) <= 60))
    every = list(found)
    assert len(every) >= COUNT
    return every[:: len(every) // COUNT][:COUNT]


@pytest.fixture(scope="module")
def truth(sentences: list[str]) -> np.ndarray:
    """As sentence-transformers does it: the mean over the tokens, of length 1."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(SOURCE)
    model = transformers.AutoModel.from_pretrained(SOURCE, dtype=torch.float32).eval()
    vectors: list[Any] = []
    with torch.no_grad():
        for start in range(0, COUNT, 50):
            texts = sentences[start : start + 50]
            batch = tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
            mask = batch["attention_mask"][:, :, None]
            means = (model(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)
            vectors.append(torch.nn.functional.normalize(means).numpy())
    return np.concatenate(vectors)


@pytest.mark.parametrize("quantization", BOUNDS)
def test_the_mean_cosine(sentences: list[str], truth: np.ndarray, quantization: str, tmp_path: Path) -> None:
    directory = prepare(ENTRY, str(tmp_path), quantization, test=lambda _: None)
    model = Embedder(ENTRY, directory, Device("cpu", quantization), 1)
    tokens = model.tokens(sentences, "document")
    ours = np.concatenate([model.vectors(tokens[start : start + 25]) for start in range(0, COUNT, 25)])
    cosines = (ours * truth).sum(axis=1)
    assert cosines.mean() >= BOUNDS[quantization]
