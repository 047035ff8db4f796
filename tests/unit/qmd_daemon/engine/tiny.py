"""Small models with random weights and real tokenizers, converted as the large ones are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from tokenizers.decoders import ByteLevel

from qmd_daemon.weights.convert import bert, qwen2, qwen3, xlm_roberta
from qmd_daemon.weights.entry import Entry, Hub
from tests.unit.qmd_daemon.weights.conftest import write_safetensors

HIDDEN, INNER, LAYERS, HEADS, POSITIONS = 16, 24, 2, 4, 200
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CORPUS = [
    "How do I restart the server when it does not answer? Judge whether the Document meets the requirements.",
    "Query: keywords separated by spaces, other words for the same thing. assistant user system yes no think",
    "如何重启服务器？写出这个查询的其他关键词，用空格隔开。",
]
FAMILIES: dict[str, Any] = {"bert": bert, "xlm-roberta": xlm_roberta, "qwen2": qwen2, "qwen3": qwen3}


def byte_level() -> Tokenizer:
    """As Qwen's: byte-level BPE without an unknown word."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*CORPUS, "yes yes yes no no no"], trainer)
    tokenizer.add_tokens(["yes", "no"])
    return tokenizer


def words(specials: list[str]) -> Tokenizer:
    """As BERT's and XLM-RoBERTa's, but of whole words; with their templates for a pair."""
    known = [*specials, *dict.fromkeys(word for text in CORPUS for word in text.split())]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(known)}, unk_token=specials[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(specials)
    number = tokenizer.token_to_id
    if "[CLS]" in specials:
        tokenizer.post_processor = processors.BertProcessing(("[SEP]", number("[SEP]")), ("[CLS]", number("[CLS]")))
    else:
        tokenizer.post_processor = processors.RobertaProcessing(
            ("</s>", number("</s>")), ("<s>", number("<s>")), trim_offsets=False, add_prefix_space=False
        )
    return tokenizer


def entry(family: str, role: str, **fields: Any) -> Entry:
    settings = {"name": "tiny", "max_tokens": POSITIONS - 4, "license": "MIT", "source": Hub(repositories=("a/b",))}
    return Entry(**{**settings, "family": family, "role": role, **fields})


def convert(model: Entry, tokenizer: Tokenizer, directory: Path) -> str:
    """Write random weights for the entry, convert them to float32, and return the new directory."""
    source, target = directory / "source", directory / "target"
    for path in (source, target):
        path.mkdir(parents=True)
    tokenizer.save(str(source / "tokenizer.json"))
    tokenizer.save(str(target / "tokenizer.json"))
    size = tokenizer.get_vocab_size()
    decoder = model.family.startswith("qwen")
    shapes = _decoder(size, norms=model.family == "qwen3") if decoder else _encoder(size, model)
    random = np.random.default_rng(5)
    tensors = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    settings = {
        "hidden_act": "silu" if decoder else "gelu",
        "hidden_size": HIDDEN,
        "layer_norm_eps": 1e-5,
        "num_attention_heads": HEADS,
        "num_key_value_heads": 2,
        "num_hidden_layers": LAYERS,
        "rms_norm_eps": 1e-6,
        "vocab_size": size,
        "tie_word_embeddings": True,
        "rope_theta": 1_000_000,
        "pad_token_id": 1,
    }
    (source / "config.json").write_text(json.dumps(settings))
    write_safetensors(source / "model.safetensors", tensors)
    FAMILIES[model.family].convert(str(source), str(target), "float32", model.head)
    return str(target)


def _encoder(size: int, model: Entry) -> dict[str, tuple[int, ...]]:
    xlm = model.family == "xlm-roberta"
    prefix = "roberta." if xlm else "bert."
    dense, output = ("classifier.dense", "classifier.out_proj") if xlm else ("bert.pooler.dense", "classifier")
    embeddings = f"{prefix}embeddings"
    shapes: dict[str, tuple[int, ...]] = {
        f"{embeddings}.word_embeddings.weight": (size, HIDDEN),
        f"{embeddings}.position_embeddings.weight": (POSITIONS, HIDDEN),
        f"{embeddings}.token_type_embeddings.weight": (1 if xlm else 2, HIDDEN),
        f"{embeddings}.LayerNorm.weight": (HIDDEN,),
        f"{embeddings}.LayerNorm.bias": (HIDDEN,),
        f"{dense}.weight": (HIDDEN, HIDDEN),
        f"{dense}.bias": (HIDDEN,),
        f"{output}.weight": (1, HIDDEN),
        f"{output}.bias": (1,),
    }
    parts = {
        "attention.self.query": (HIDDEN, HIDDEN),
        "attention.self.key": (HIDDEN, HIDDEN),
        "attention.self.value": (HIDDEN, HIDDEN),
        "attention.output.dense": (HIDDEN, HIDDEN),
        "intermediate.dense": (INNER, HIDDEN),
        "output.dense": (HIDDEN, INNER),
        "attention.output.LayerNorm": (HIDDEN,),
        "output.LayerNorm": (HIDDEN,),
    }
    for number in range(LAYERS):
        for name, shape in parts.items():
            layer = f"{prefix}encoder.layer.{number}.{name}"
            shapes |= {f"{layer}.weight": shape, f"{layer}.bias": shape[:1]}
    return shapes


def _decoder(size: int, *, norms: bool) -> dict[str, tuple[int, ...]]:
    head = HIDDEN // HEADS
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (size, HIDDEN),
        "model.norm.weight": (HIDDEN,),
    }
    for number in range(LAYERS):
        layer = {
            "self_attn.q_proj.weight": (HEADS * head, HIDDEN),
            "self_attn.k_proj.weight": (2 * head, HIDDEN),
            "self_attn.v_proj.weight": (2 * head, HIDDEN),
            "self_attn.o_proj.weight": (HIDDEN, HEADS * head),
            "mlp.gate_proj.weight": (INNER, HIDDEN),
            "mlp.up_proj.weight": (INNER, HIDDEN),
            "mlp.down_proj.weight": (HIDDEN, INNER),
            "input_layernorm.weight": (HIDDEN,),
            "post_attention_layernorm.weight": (HIDDEN,),
        }
        if norms:
            layer |= {f"self_attn.{part}_norm.weight": (head,) for part in "qk"}
        else:
            layer |= {f"self_attn.{part}_proj.bias": layer[f"self_attn.{part}_proj.weight"][:1] for part in "qkv"}
        shapes |= {f"model.layers.{number}.{name}": shape for name, shape in layer.items()}
    return shapes
