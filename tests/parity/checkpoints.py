"""Small random models of every family, made and saved by transformers, with what is particular to each."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tokenizers import Tokenizer, models, pre_tokenizers  # noqa: E402

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
VOCABULARY, HIDDEN, INNER, LAYERS, HEADS, POSITIONS = 120, 96, 240, 2, 4, 48
WORDS = [f"w{number}" for number in range(VOCABULARY - 20)] + ["yes", "no"]

_ENCODER = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "position_embedding_type": "absolute",
}
_DECODER = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-6,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 0,
}


def _bert(**settings: Any) -> Any:
    return transformers.BertConfig(**{**_ENCODER, "max_position_embeddings": POSITIONS, **settings})


def _xlm_roberta(**settings: Any) -> Any:
    usual = {"max_position_embeddings": POSITIONS + 2, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
    return transformers.XLMRobertaConfig(**{**_ENCODER, **usual, "pad_token_id": 1, **settings})


def _qwen2(**settings: Any) -> Any:
    return transformers.Qwen2Config(**{**_DECODER, "tie_word_embeddings": True, **settings})


def _qwen3(**settings: Any) -> Any:
    # Heads whose size is not the hidden size by their number.
    return transformers.Qwen3Config(**{**_DECODER, "tie_word_embeddings": True, "head_dim": 32, **settings})


def _rope(kind: str, theta: float, **settings: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": theta, **settings}}


# name -> (family, class of the model, configuration)
MODELS: dict[str, tuple[str, str, Any]] = {
    "bert": ("bert", "BertModel", _bert()),
    "bert, other particulars": (
        "bert",
        "BertModel",
        _bert(hidden_act="gelu_new", layer_norm_eps=1e-6, num_attention_heads=2, type_vocab_size=3),
    ),
    "bert classifier": ("bert", "BertForSequenceClassification", _bert(num_labels=1)),
    "xlm-roberta": ("xlm-roberta", "XLMRobertaModel", _xlm_roberta()),
    "xlm-roberta, padding at 3": (
        "xlm-roberta",
        "XLMRobertaModel",
        _xlm_roberta(pad_token_id=3, max_position_embeddings=POSITIONS + 4),
    ),
    "xlm-roberta classifier": (
        "xlm-roberta",
        "XLMRobertaForSequenceClassification",
        _xlm_roberta(num_labels=1),
    ),
    "qwen2": ("qwen2", "Qwen2ForCausalLM", _qwen2(**_rope("default", 1_000_000.0))),
    "qwen2, untied, own keys": (
        "qwen2",
        "Qwen2ForCausalLM",
        _qwen2(tie_word_embeddings=False, num_key_value_heads=HEADS, **_rope("default", 10_000.0)),
    ),
    "qwen2, scaled positions": ("qwen2", "Qwen2ForCausalLM", _qwen2(**_rope("linear", 10_000.0, factor=4.0))),
    "qwen3": ("qwen3", "Qwen3ForCausalLM", _qwen3(**_rope("default", 1_000_000.0))),
    "qwen3, untied": ("qwen3", "Qwen3ForCausalLM", _qwen3(tie_word_embeddings=False, **_rope("default", 5_000_000.0))),
    "qwen3, biases": ("qwen3", "Qwen3ForCausalLM", _qwen3(attention_bias=True, **_rope("default", 1_000_000.0))),
    "qwen3, scaled positions": ("qwen3", "Qwen3ForCausalLM", _qwen3(**_rope("linear", 1_000_000.0, factor=2.0))),
    "qwen3 without a head": ("qwen3", "Qwen3Model", _qwen3(**_rope("default", 1_000_000.0))),
}


def make(name: str, directory: Path, dtype: str = "float32", *, how: str = "whole") -> None:
    """Write the checkpoint of that name: in one file ("whole"), "sharded", or "pickled" as PyTorch does it."""
    family, kind, config = MODELS[name]
    torch.manual_seed(len(name))
    model = getattr(transformers, kind)(config).eval()
    with torch.no_grad():
        # transformers begins with biases of 0 and norms of 1, which would hide a mistake.
        for key, parameter in model.named_parameters():
            if key.endswith("norm.weight") or "LayerNorm.weight" in key:
                parameter.normal_(1, 0.2)
            else:
                parameter.normal_(0, 0.1 if parameter.dim() == 1 else 0.5 / parameter.shape[-1] ** 0.5)
    model = model.to(DTYPES[dtype])
    model.save_pretrained(directory, max_shard_size="40KB" if how == "sharded" else "1GB")
    if how == "pickled":
        os.remove(directory / "model.safetensors")
        torch.save(model.state_dict(), directory / "pytorch_model.bin")
    _write_tokenizer(family, directory)


def reference(name: str, directory: Path) -> Any:
    """The saved model, in transformers, in float32."""
    return getattr(transformers, MODELS[name][1]).from_pretrained(directory, dtype=torch.float32).eval()


def padded(batch: list[list[int]], padding: int) -> dict[str, Any]:
    """A batch as transformers wants it."""
    longest = max(map(len, batch))
    rows = [tokens + [padding] * (longest - len(tokens)) for tokens in batch]
    mask = [[1] * len(tokens) + [0] * (longest - len(tokens)) for tokens in batch]
    return {"input_ids": torch.tensor(rows), "attention_mask": torch.tensor(mask)}


def _write_tokenizer(family: str, directory: Path) -> None:
    """One of the family's kind, with an added token; of fewer tokens than the model has rows, except XLM-RoBERTa."""
    if family == "bert":
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
        names = {"unk_token": "[UNK]", "pad_token": "[PAD]"}
        model: Any = models.WordPiece(_numbered(special + WORDS), unk_token="[UNK]")
    elif family == "xlm-roberta":
        special = ["<s>", "<pad>", "</s>", "<unk>"]
        names = {"unk_token": "<unk>", "pad_token": "<pad>", "eos_token": "</s>", "bos_token": "<s>"}
        fill = [f"f{number}" for number in range(VOCABULARY - len(special) - len(WORDS) - 1)]
        model = models.Unigram([(word, -float(at)) for at, word in enumerate(special + WORDS + fill)], unk_id=3)
    else:
        names = {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
        model = models.BPE(_numbered(["<|endoftext|>", *WORDS]), [])
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(["<mask>"])
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    fast.save_pretrained(directory)
    assert json.loads((directory / "tokenizer.json").read_text())["model"]["type"]


def _numbered(words: list[str]) -> dict[str, int]:
    return {word: number for number, word in enumerate(words)}
