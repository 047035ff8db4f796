"""Every field of every entry, said a second time: a wrong prompt or pooling ruins a model without an error."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import pytest

from qmd_daemon.weights import catalog
from qmd_daemon.weights.entry import Entry, Hub, Package

E5 = ("query: ", "passage: ")
ZH = ("为这个句子生成表示以用于检索相关文章：", "")
EN = ("Represent this sentence for searching relevant passages: ", "")
QWEN = (
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
    "",
)
NO = ("", "")
MATRYOSHKA = (32, 64, 128, 256, 384, 512, 768, 1024)
JUDGE = (
    "<|im_start|>system\n"
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".<|im_end|>\n'
    "<|im_start|>user\n"
    "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n"
    "<Query>: {query}\n"
    "<Document>: {document}<|im_end|>\n"
    "<|im_start|>assistant\n"
    "<think>\n\n</think>\n\n"
)
CHAT = "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"
MMARCO = ("en", "ar", "zh", "nl", "fr", "de", "hi", "id", "it", "ja", "pt", "ru", "es", "vi")
EOT, IM_END = "<|endoftext|>", "<|im_end|>"


class Embedder(NamedTuple):
    family: str
    dimension: int
    max_tokens: int
    pooling: str
    prompts: tuple[str, str]
    languages: tuple[str, ...]
    license: str
    head: str = "none"
    end_token: str = ""
    dimensions: tuple[int, ...] = ()


class Other(NamedTuple):
    family: str
    max_tokens: int
    head: str
    template: str
    end_token: str
    languages: tuple[str, ...]
    license: str


EMBEDDERS = {
    "all-minilm-l6-v2": Embedder("bert", 384, 256, "mean", NO, ("en",), "Apache-2.0"),
    "multilingual-e5-small": Embedder("bert", 384, 512, "mean", E5, (), "MIT"),
    "multilingual-e5-base": Embedder("xlm-roberta", 768, 512, "mean", E5, (), "MIT"),
    "bge-m3": Embedder("xlm-roberta", 1024, 8192, "cls", NO, (), "MIT"),
    "bge-small-zh-v1.5": Embedder("bert", 512, 512, "cls", ZH, ("zh",), "MIT"),
    "bge-base-zh-v1.5": Embedder("bert", 768, 512, "cls", ZH, ("zh",), "MIT"),
    "bge-small-en-v1.5": Embedder("bert", 384, 512, "cls", EN, ("en",), "MIT"),
    "bge-base-en-v1.5": Embedder("bert", 768, 512, "cls", EN, ("en",), "MIT"),
    "bce-embedding-base-v1": Embedder("xlm-roberta", 768, 512, "cls", NO, ("zh", "en"), "Apache-2.0"),
    "qwen3-embedding-0.6b": Embedder("qwen3", 768, 32768, "last", QWEN, (), "Apache-2.0", "hidden", EOT, MATRYOSHKA),
}
OTHERS = {
    "bge-reranker-base": Other("xlm-roberta", 512, "dense-out", "", "", ("en", "zh"), "MIT"),
    "bge-reranker-v2-m3": Other("xlm-roberta", 8192, "dense-out", "", "", (), "Apache-2.0"),
    "bce-reranker-base-v1": Other("xlm-roberta", 512, "dense-out", "", "", ("zh", "en", "ja", "ko"), "Apache-2.0"),
    "mmarco-mminilmv2-l12-h384-v1": Other("xlm-roberta", 512, "dense-out", "", "", MMARCO, "Apache-2.0"),
    "ms-marco-minilm-l6-v2": Other("bert", 512, "pooler-classifier", "", "", ("en",), "Apache-2.0"),
    "qwen3-reranker-0.6b": Other("qwen3", 8192, "yes-no", JUDGE, "", (), "Apache-2.0"),
    "qwen3-0.6b": Other("qwen3", 32768, "lm", CHAT + "<think>\n\n</think>\n\n", IM_END, (), "Apache-2.0"),
    "qwen2.5-0.5b-instruct": Other("qwen2", 32768, "lm", CHAT, IM_END, (), "Apache-2.0"),
}
# The upstream repository comes first, and its name is the entry's but for capitals, and dots or underscores.
REPOSITORIES = {
    "multilingual-e5-small": "intfloat/multilingual-e5-small",
    "multilingual-e5-base": "intfloat/multilingual-e5-base",
    "bge-m3": "BAAI/bge-m3",
    "bge-small-zh-v1.5": "BAAI/bge-small-zh-v1.5",
    "bge-base-zh-v1.5": "BAAI/bge-base-zh-v1.5",
    "bge-small-en-v1.5": "BAAI/bge-small-en-v1.5",
    "bge-base-en-v1.5": "BAAI/bge-base-en-v1.5",
    "bce-embedding-base-v1": "maidalun/bce-embedding-base_v1",
    "qwen3-embedding-0.6b": "Qwen/Qwen3-Embedding-0.6B",
    "bge-reranker-base": "BAAI/bge-reranker-base",
    "bge-reranker-v2-m3": "BAAI/bge-reranker-v2-m3",
    "bce-reranker-base-v1": "maidalun/bce-reranker-base_v1",
    "mmarco-mminilmv2-l12-h384-v1": "cross-encoder/mmarco-mMiniLMv2-L12-H384-v1",
    "ms-marco-minilm-l6-v2": "cross-encoder/ms-marco-MiniLM-L6-v2",
    "qwen3-reranker-0.6b": "Qwen/Qwen3-Reranker-0.6B",
    "qwen3-0.6b": "Qwen/Qwen3-0.6B",
    "qwen2.5-0.5b-instruct": "Qwen/Qwen2.5-0.5B-Instruct",
}


def test_the_tables_name_every_entry_and_every_field() -> None:
    assert [entry.name for entry in catalog.ENTRIES] == [*EMBEDDERS, *OTHERS]
    checked = {"name", "role", "normalise", "query_prompt", "document_prompt", "source", "template"}
    checked |= {"download_bytes", "converted_bytes", *Embedder._fields, *Other._fields} - {"prompts"}
    assert set(Entry.__struct_fields__) == checked


@pytest.mark.parametrize("name", EMBEDDERS)
def test_an_embedder(name: str) -> None:
    entry, expected = catalog.get(name), EMBEDDERS[name]
    for field in set(Embedder._fields) - {"prompts"}:
        assert getattr(entry, field) == getattr(expected, field), field
    assert (entry.query_prompt, entry.document_prompt) == expected.prompts
    assert (entry.role, entry.normalise, entry.template) == ("embedding", True, "")
    assert not entry.dimensions or entry.dimension in entry.dimensions


@pytest.mark.parametrize("name", OTHERS)
def test_a_reranker_or_expander(name: str) -> None:
    entry, expected = catalog.get(name), OTHERS[name]
    for field in Other._fields:
        assert getattr(entry, field) == getattr(expected, field), field
    assert entry.role == ("expansion" if expected.head == "lm" else "reranker")
    blank = {"dimension": 0, "dimensions": (), "pooling": "none", "normalise": False}
    assert msgspec.structs.replace(entry, **blank, query_prompt="", document_prompt="") == entry


@pytest.mark.parametrize("name", [*EMBEDDERS, *OTHERS])
def test_a_source(name: str) -> None:
    source = catalog.get(name).source
    if name == "all-minilm-l6-v2":
        assert isinstance(source, Package)
        return
    assert isinstance(source, Hub)
    assert source.repositories[0] == REPOSITORIES[name]
    assert len(set(source.repositories)) == len(source.repositories)
    assert {"config.json", "tokenizer.json", "model*.safetensors", "model.safetensors.index.json"} <= {*source.files}
    assert source.fallback == ("pytorch_model.bin",)
    assert source.sha256 == {}  # none is claimed that was not seen


def encoder(vocabulary: int, hidden: int, layers: int, positions: int, types: int = 1) -> tuple[int, int, int]:
    """Parameters of an encoder: those that are quantized, the rows that they have, and the others."""
    inner = 4 * hidden
    quantized = (vocabulary + types) * hidden + layers * (4 * hidden * hidden + 2 * hidden * inner)
    rows = vocabulary + types + layers * (5 * hidden + inner)
    return quantized, rows, positions * hidden + 2 * hidden + layers * (9 * hidden + inner)


def qwen3(vocabulary: int) -> tuple[int, int, int]:
    hidden, inner, layers, heads, shared, size = 1024, 3072, 28, 16, 8, 128
    attention = 2 * hidden * heads * size + 2 * hidden * shared * size
    rows = vocabulary + layers * ((heads + 2 * shared) * size + 2 * hidden + 2 * inner)
    return vocabulary * hidden + layers * (attention + 3 * hidden * inner), rows, layers * 2 * (hidden + size)


def qwen2() -> tuple[int, int, int]:
    hidden, inner, layers, heads, shared, size = 896, 4864, 24, 14, 2, 64
    attention = 2 * hidden * heads * size + 2 * hidden * shared * size
    rows = 151_936 + layers * ((heads + 2 * shared) * size + 2 * hidden + 2 * inner)
    others = layers * (2 * hidden + (heads + 2 * shared) * size)
    return 151_936 * hidden + layers * (attention + 3 * hidden * inner), rows, others


# The architectures, and the bytes of a published parameter.
SHAPES = {
    "all-minilm-l6-v2": (encoder(30_522, 384, 6, 512, 2), 4),
    "multilingual-e5-small": (encoder(250_037, 384, 12, 512, 2), 4),
    "multilingual-e5-base": (encoder(250_002, 768, 12, 514), 4),
    "bge-m3": (encoder(250_002, 1024, 24, 8194), 4),
    "bge-small-zh-v1.5": (encoder(21_128, 512, 4, 512, 2), 4),
    "bge-base-zh-v1.5": (encoder(21_128, 768, 12, 512, 2), 4),
    "bge-small-en-v1.5": (encoder(30_522, 384, 12, 512, 2), 4),
    "bge-base-en-v1.5": (encoder(30_522, 768, 12, 512, 2), 4),
    "bce-embedding-base-v1": (encoder(250_002, 768, 12, 514), 4),
    "qwen3-embedding-0.6b": (qwen3(151_669), 2),
    "bge-reranker-base": (encoder(250_002, 768, 12, 514), 4),
    "bge-reranker-v2-m3": (encoder(250_002, 1024, 24, 8194), 4),
    "bce-reranker-base-v1": (encoder(250_002, 768, 12, 514), 4),
    "mmarco-mminilmv2-l12-h384-v1": (encoder(250_002, 384, 12, 514), 4),
    "ms-marco-minilm-l6-v2": (encoder(30_522, 384, 6, 512, 2), 4),
    "qwen3-reranker-0.6b": (qwen3(151_669), 2),
    "qwen3-0.6b": (qwen3(151_936), 2),
    "qwen2.5-0.5b-instruct": (qwen2(), 2),
}
HEADS = {
    "bge-reranker-base": 768,
    "bge-reranker-v2-m3": 1024,
    "bce-reranker-base-v1": 768,
    "mmarco-mminilmv2-l12-h384-v1": 384,
    "ms-marco-minilm-l6-v2": 384,
}
TOKENIZER_BYTES = {"bert": 500_000, "xlm-roberta": 17_100_000, "qwen2": 11_400_000, "qwen3": 11_400_000}


@pytest.mark.parametrize("name", [*EMBEDDERS, *OTHERS])
def test_sizes_are_those_of_the_architecture(name: str) -> None:
    entry = catalog.get(name)
    (quantized, rows, others), bytes_each = SHAPES[name]
    tokenizer = TOKENIZER_BYTES["xlm-roberta" if name == "multilingual-e5-small" else entry.family]
    # What stands behind an encoder: a pooler that embedders leave away, or a head that rerankers keep.
    behind = entry.dimension**2 if entry.head == "none" else HEADS.get(name, 0) ** 2
    again = 151_936 * 1024 * bytes_each if name == "qwen3-0.6b" else 0  # its output projection
    published = (quantized + others + behind) * bytes_each + again + tokenizer
    assert entry.download_bytes == pytest.approx(published, rel=0.01)
    # A byte each, with a float32 scale for every row; the rest in float32.
    kept = behind if entry.role == "reranker" else 0
    assert entry.converted_bytes == pytest.approx(quantized + 4 * (rows + others + kept), rel=0.01)
