"""Directories as people have them: each test writes the files of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ipc.errors import QmdError
from qmd_daemon.config import ModelConfig
from qmd_daemon.weights import catalog
from qmd_daemon.weights.entry import Directory, Entry, Role
from qmd_daemon.weights.local import from_directory

BERT = {"model_type": "bert", "hidden_size": 64, "max_position_embeddings": 512}
XLM_R = {"model_type": "xlm-roberta", "hidden_size": 64, "max_position_embeddings": 514, "pad_token_id": 1}
QWEN3 = {"model_type": "qwen3", "hidden_size": 64, "max_position_embeddings": 40_960}
QWEN2 = {"model_type": "qwen2", "hidden_size": 64, "max_position_embeddings": 32_768}


@pytest.fixture
def model(tmp_path: Path):
    """Write the files of a model, and describe it."""

    def write(role: Role, config: dict[str, Any], **files: Any) -> Entry:
        directory = tmp_path / "My-Model"
        (directory / "1_Pooling").mkdir(parents=True, exist_ok=True)
        for file, content in {"config": config, **files}.items():
            path = "1_Pooling/config.json" if file == "pooling" else f"{file}.json"
            (directory / path).write_text(json.dumps(content))
        (directory / "model.safetensors").write_bytes(b"weights")
        return from_directory(str(directory), role)

    return write


def test_a_bert_without_further_files(model, tmp_path: Path) -> None:
    entry = model("embedding", BERT)
    assert isinstance(entry.source, Directory)
    assert entry.source.path == str(tmp_path / "My-Model")
    assert entry.name == f"my-model-{entry.source.digest[:8]}"
    assert (entry.family, entry.head, entry.dimension, entry.max_tokens) == ("bert", "none", 64, 512)
    assert (entry.pooling, entry.normalise, entry.query_prompt, entry.end_token) == ("mean", True, "", "")


def test_what_sentence_transformers_writes_is_read(model) -> None:
    entry = model(
        "embedding",
        XLM_R,
        pooling={"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False},
        sentence_bert_config={"max_seq_length": 300},
        config_sentence_transformers={"prompts": {"query": "query: ", "passage": "passage: "}},
        modules=[{"type": f"sentence_transformers.models.{name}"} for name in ("Transformer", "Pooling", "Normalize")],
    )
    assert (entry.pooling, entry.max_tokens) == ("cls", 300)
    assert (entry.query_prompt, entry.document_prompt) == ("query: ", "passage: ")


def test_the_positions_of_an_xlm_roberta_begin_behind_its_padding(model) -> None:
    assert model("reranker", XLM_R).max_tokens == 512
    assert model("reranker", {**XLM_R, "pad_token_id": 0}).max_tokens == 513


@pytest.mark.parametrize("eos", ["<|endoftext|>", {"content": "<|endoftext|>", "lstrip": False}])
def test_a_decoder_that_embeds_takes_its_last_token(model, eos: Any) -> None:
    entry = model("embedding", QWEN3, tokenizer_config={"eos_token": eos, "model_max_length": 8192})
    assert (entry.head, entry.pooling, entry.end_token) == ("hidden", "last", "<|endoftext|>")
    assert entry.max_tokens == 8192


def test_a_tokenizer_without_a_limit(model) -> None:
    assert model("embedding", BERT, tokenizer_config={"model_max_length": 1e30}).max_tokens == 512


@pytest.mark.parametrize(
    ("role", "config", "like"),
    [
        ("reranker", BERT, "ms-marco-minilm-l6-v2"),
        ("reranker", XLM_R, "bge-reranker-base"),
        ("reranker", QWEN3, "qwen3-reranker-0.6b"),
        ("expansion", QWEN3, "qwen3-0.6b"),
        ("expansion", QWEN2, "qwen2.5-0.5b-instruct"),
    ],
)
def test_heads_and_templates_are_those_of_the_models_we_know(model, role: Role, config: Any, like: str) -> None:
    entry = model(role, config, tokenizer_config={"eos_token": "<|im_end|>"})
    known = catalog.get(like)
    fields = ("role", "family", "head", "template", "end_token", "pooling", "dimension")
    assert [getattr(entry, field) for field in fields] == [getattr(known, field) for field in fields]


@pytest.mark.parametrize(
    ("role", "config", "files", "reason"),
    [
        ("expansion", BERT, {}, "expansion of the family bert"),
        ("reranker", QWEN2, {}, "reranker of the family qwen2"),
        ("embedding", {**BERT, "model_type": "modernbert"}, {}, "of the family modernbert"),
        ("embedding", {"model_type": "bert"}, {}, r"config\.json cannot be read"),
        ("embedding", BERT, {"pooling": {"pooling_mode_max_tokens": True}}, "pooling"),
        ("embedding", BERT, {"modules": [{"type": "sentence_transformers.models.Dense"}]}, "go through Dense"),
    ],
)
def test_what_we_cannot_run_is_refused(model, role: Role, config: Any, files: Any, reason: str) -> None:
    with pytest.raises(QmdError, match=reason) as caught:
        model(role, config, **files)
    assert caught.value.code == "invalid"


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(QmdError, match="no config"):
        catalog.get(str(tmp_path / "none"))


def test_other_weights_are_another_model(model, tmp_path: Path) -> None:
    before = model("embedding", BERT)
    weights = tmp_path / "My-Model" / "model.safetensors"
    weights.write_bytes(b"w" * 3_000_000)
    larger = from_directory(str(tmp_path / "My-Model"), "embedding")
    content = bytearray(weights.read_bytes())
    content[1_000_000:1_040_000] = bytes(40_000)
    weights.write_bytes(content)
    altered = from_directory(str(tmp_path / "My-Model"), "embedding")
    assert len({catalog.fingerprint(entry) for entry in (before, larger, altered)}) == 3
    assert len({entry.name for entry in (before, larger, altered)}) == 3


def test_a_table_may_correct_what_the_files_say(model, tmp_path: Path) -> None:
    model("embedding", BERT)
    table = ModelConfig(
        role="embedding", directory=str(tmp_path / "My-Model"), pooling="cls", query_prompt="q: ", license="MIT"
    )
    entry = catalog.get("mine", {"mine": table})
    assert (entry.name, entry.pooling, entry.query_prompt, entry.license) == ("mine", "cls", "q: ", "MIT")
    assert (entry.dimension, entry.max_tokens) == (64, 512)
