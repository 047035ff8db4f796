"""all-MiniLM-L6-v2, converted by us and run by CTranslate2, against a BERT written out here in plain numpy.

The BERT below shares no code with the converter: it reads the original checkpoint by itself, one text at a
time, in float64 and without padding. Published for the architecture: arXiv 1810.04805; the configuration
(gelu by erf, layer norm after each block, mean pooling) is in the files beside the weights.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from qmd_daemon.engine.device import Device
from qmd_daemon.engine.embed import Embedder
from qmd_daemon.weights import catalog
from qmd_daemon.weights.prepare import prepare
from qmd_daemon.weights.verify import self_test

ENTRY = catalog.get("all-minilm-l6-v2")
SOURCE = catalog.find(ENTRY)
pytestmark = [
    pytest.mark.skipif(SOURCE is None, reason=catalog.install_hint(ENTRY)),
    pytest.mark.xdist_group("minilm"),  # the truth is computed once
]

SENTENCES = [
    "How do I restart the server?",
    "Steps to reboot the machine without losing unsaved work",
    "The cat sleeps on the sofa.",
    "A cat is napping on the couch.",
    "Interest rates rose by a quarter of a point in March.",
    "The central bank raised its key rate in spring",
    "A recipe for apple pie: flour, butter, six apples, cinnamon.",
    "Bake at 180 °C for 45 minutes, until the crust is golden.",
    "Python's asyncio event loop runs one callback at a time.",
    "def embed(texts: list[str]) -> np.ndarray: ...",
    "SELECT id, title FROM documents WHERE hash = ? ORDER BY id;",
    "The function returns a sorted list of its arguments.",
    "It rained in Paris for three days.",
    "The museum is closed on Mondays.",
    "Napoleon was born in Corsica in 1769.",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "Mitochondria are the powerhouse of the cell.",
    "The quick brown fox jumps over the lazy dog.",
    "To be, or not to be, that is the question.",
    "Call me Ishmael.",
    "It was the best of times, it was the worst of times.",
    "The defendant pleaded not guilty to all charges.",
    "This agreement may be terminated by either party with thirty days' notice.",
    "Take one tablet twice a day after meals.",
    "Side effects include headache, nausea and dizziness.",
    "The striker scored twice in the second half.",
    "She plays the violin in a string quartet.",
    "Our flight was delayed because of fog.",
    "Where can I change my password?",
    "Your order has been shipped and will arrive on Thursday.",
    "GPU memory utilisation is at 93 %; consider a smaller batch.",
    "nvidia-smi shows the processes that use the card",
    "docker compose up --build -d",
    "Traceback (most recent call last): KeyError: 'texts'",
    "HTTP 503 Service Unavailable, Retry-After: 30",
    "Kubernetes restarts a pod when its liveness probe fails.",
    "# Meeting notes 2024-05-17\n\n- budget approved\n- hire two engineers",
    "naïve café résumé Ångström",
    "ALL CAPITALS SHOULD NOT MATTER",
    "all capitals should not matter",
    "1234567890 3.14159 2.71828",
    "https://example.org/a/path?with=query#fragment",
    "如何重启服务器?",
    "显存监控 GPU 使用率",
    "こんにちは、世界",
    "x",
    "",
    "   \n\t ",
    "Pneumonoultramicroscopicsilicovolcanoconiosis is a long word, antidisestablishmentarianism a shorter one.",
    " ".join(["A long text goes on and on, beyond what the model sees of it, to try the truncation."] * 40),
]


def erf(x: np.ndarray) -> np.ndarray:
    """Abramowitz and Stegun 7.1.26: within 1.5e-7."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - series * np.exp(-x * x))


class Bert:
    """BertModel with mean pooling, as plainly as it can be written."""

    heads, layers = 12, 6

    def __init__(self, directory: str) -> None:
        raw = Path(directory, "model.safetensors").read_bytes()
        start = 8 + int.from_bytes(raw[:8], "little")
        self.tensors = {
            name: np.frombuffer(raw[start + info["data_offsets"][0] : start + info["data_offsets"][1]], "<f4")
            .reshape(info["shape"])
            .astype(np.float64)
            for name, info in json.loads(raw[8:start]).items()
            if info.get("dtype") == "F32"
        }
        self.tokenizer = Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)

    def embed(self, text: str) -> np.ndarray:
        ids = self.tokenizer.encode(text).ids
        word, place, kind = (
            self.tensors[f"embeddings.{n}_embeddings.weight"] for n in ("word", "position", "token_type")
        )
        x = self.norm(word[ids] + place[: len(ids)] + kind[0], "embeddings")
        for number in range(self.layers):
            x = self.layer(x, f"encoder.layer.{number}")
        pooled = x.mean(axis=0)
        return pooled / np.linalg.norm(pooled)

    def layer(self, x: np.ndarray, name: str) -> np.ndarray:
        query, key, value = (
            self.linear(x, f"{name}.attention.self.{n}").reshape(len(x), self.heads, -1).swapaxes(0, 1)
            for n in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(1, 2) / np.sqrt(query.shape[-1])
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (weights / weights.sum(axis=-1, keepdims=True) @ value).swapaxes(0, 1).reshape(len(x), -1)
        x = self.norm(x + self.linear(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output")
        inner = self.linear(x, f"{name}.intermediate.dense")
        inner = inner * (1 + erf(inner / np.sqrt(2))) / 2
        return self.norm(x + self.linear(inner, f"{name}.output.dense"), f"{name}.output")

    def linear(self, x: np.ndarray, name: str) -> np.ndarray:
        return x @ self.tensors[f"{name}.weight"].T + self.tensors[f"{name}.bias"]

    def norm(self, x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
        return scaled * self.tensors[f"{name}.LayerNorm.weight"] + self.tensors[f"{name}.LayerNorm.bias"]


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    assert SOURCE is not None
    bert = Bert(SOURCE)
    return np.stack([bert.embed(text) for text in SENTENCES])


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Embedder]:
    models = str(tmp_path_factory.mktemp("models"))

    def load(quantization: str) -> Embedder:
        def test(directory: str) -> None:
            model = Embedder(ENTRY, directory, Device("cpu", quantization), 1)
            self_test(ENTRY.name, lambda texts: model.vectors(model.tokens(texts, "document")))

        directory = prepare(ENTRY, models, quantization, test=test)
        return Embedder(ENTRY, directory, Device("cpu", quantization), 1)

    return load


# Smallest and mean cosine to the truth. Measured: float32 0.9999999 for every text; int8 0.982 for the empty
# text, 0.989 for "x", 0.992 and above for the sentences, 0.9963 in the mean.
BOUNDS = {"float32": (0.9999, 0.9999), "int8": (0.98, 0.995)}


@pytest.mark.parametrize("quantization", BOUNDS)
@pytest.mark.parametrize("together", [1, len(SENTENCES)], ids=["alone", "in one batch"])
def test_vectors_are_the_truth(
    load: Callable[[str], Embedder], truth: np.ndarray, quantization: str, together: int
) -> None:
    model = load(quantization)
    tokens = model.tokens(SENTENCES, "document")
    batches = [tokens[start : start + together] for start in range(0, len(tokens), together)]
    vectors = np.concatenate([model.vectors(batch) for batch in batches])
    cosines = (vectors * truth).sum(axis=1)
    smallest, mean = BOUNDS[quantization]
    assert cosines.min() >= smallest, SENTENCES[int(cosines.argmin())]
    assert cosines.mean() >= mean
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_int8_keeps_the_order(load: Callable[[str], Embedder], truth: np.ndarray) -> None:
    """What a search shows first is the same as with the truth."""
    model = load("int8")
    vectors = model.vectors(model.tokens(SENTENCES, "document"))
    ours, theirs = vectors @ vectors.T, truth @ truth.T
    for matrix in (ours, theirs):
        np.fill_diagonal(matrix, -1)
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean() >= 0.9


@pytest.mark.parametrize("batch", [[], [[]], [[101, 102], []], [[101, 30_522]], [[-1]]])
def test_what_would_kill_the_process_is_refused(load: Callable[[str], Embedder], batch: list[list[int]]) -> None:
    with pytest.raises(ValueError, match=r"empty|token"):
        load("int8").vectors(batch)


def test_the_model_sees_256_tokens(load: Callable[[str], Embedder]) -> None:
    """Not the 128 padded ones that the tokenizer's own file asks for."""
    model = load("int8")
    assert [len(tokens) for tokens in model.tokens(["x", "x " * 1000, ""], "query")] == [3, 256, 2]
