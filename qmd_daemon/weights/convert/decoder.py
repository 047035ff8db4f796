"""What Qwen2 and Qwen3 have in common: rotary positions, grouped queries, gated layers, RMS norms.

The same variables in the same order as CTranslate2's own converter writes; but the output projection is what the
head needs: all words ("lm"), the two that a judge may say ("yes-no"), or the hidden state itself ("hidden").
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from ctranslate2.specs import attention_spec, common_spec, transformer_spec
from msgspec import Struct

from qmd_daemon.weights.convert import vocabulary
from qmd_daemon.weights.convert.files import Files, read_json
from qmd_daemon.weights.convert.tensors import Tensors
from qmd_daemon.weights.convert.writer import write
from qmd_daemon.weights.entry import Head

_ROWS = ("yes", "no")  # of the projection, in this order


class _Rope(Struct, frozen=True):
    """Rotary positions, in the words of transformers 4 (`type`) and 5."""

    rope_type: str | None = None
    type: str | None = None
    rope_theta: float | None = None
    factor: float = 1.0


class _Config(Struct, frozen=True):
    """What we need of config.json."""

    hidden_act: str
    hidden_size: int
    num_attention_heads: int
    num_hidden_layers: int
    rms_norm_eps: float
    vocab_size: int
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    tie_word_embeddings: bool = False
    rope_theta: float | None = None
    rope_scaling: _Rope | None = None
    rope_parameters: _Rope | None = None
    use_sliding_window: bool = False
    layer_types: list[str] | None = None
    attention_bias: bool = False
    quantization_config: dict[str, Any] | None = None


class _TokenizerConfig(Struct, frozen=True):
    """Special tokens are a text, or an object with the text in `content`."""

    bos_token: str | dict[str, Any] | None = None
    eos_token: str | dict[str, Any] | None = None
    pad_token: str | dict[str, Any] | None = None
    unk_token: str | dict[str, Any] | None = None


def convert(source: str, target: str, quantization: str, head: Head, *, qk_norm: bool) -> None:
    """Write the model into the existing directory `target`. `qk_norm`: queries and keys are normalised, as in Qwen3.

    `source` holds config.json, tokenizer.json and the weights. Raises ValueError with the reason when the
    checkpoint is damaged, not of this family, or has what we do not support.
    """
    config = read_json(source, "config.json", _Config)
    _check(config, qk_norm)
    with Files(source) as files:
        tensors = Tensors(files, lambda name: name.removeprefix("model."))
        tokens = vocabulary.read(source, config.vocab_size)
        spec = _spec(config, tensors, qk_norm)
        _project(spec.decoder.projection, config, tensors, tokens, head)
        if left := tensors.left():
            raise ValueError(f"it has {len(left)} unknown tensors, such as {left[0]}")
        _configure(spec.config, source, config)
        write(spec, tokens, target, quantization)


def _check(config: _Config, qk_norm: bool) -> None:
    if config.quantization_config:
        method = config.quantization_config.get("quant_method", "unknown")
        raise ValueError(f"it is quantized already ({method}), and only float weights are supported")
    if config.use_sliding_window or set(config.layer_types or ()) - {"full_attention"}:
        raise ValueError("it uses a sliding window, which is not supported")
    if config.hidden_act != "silu":
        raise ValueError(f"its activation {config.hidden_act} is not one of this family")
    if not qk_norm and config.head_dim not in {None, config.hidden_size // config.num_attention_heads}:
        raise ValueError("the size of its attention heads is not supported")


def _rope(config: _Config, usual_base: float) -> tuple[float, float | None]:
    """The base, and the factor of a linear scaling."""
    rope = config.rope_parameters or config.rope_scaling or _Rope()
    base = rope.rope_theta or config.rope_theta or usual_base
    match rope.rope_type or rope.type or "default":
        case "default":
            return base, None
        case "linear":
            return base, rope.factor
        case other:
            raise ValueError(f"its rotary positions are of the type {other}, which is not supported")


def _spec(config: _Config, tensors: Tensors, qk_norm: bool) -> Any:
    heads = config.num_attention_heads
    size = config.head_dim or config.hidden_size // heads
    base, factor = _rope(config, 1_000_000 if qk_norm else 10_000)
    shared = config.num_key_value_heads
    spec = transformer_spec.TransformerDecoderModelSpec.from_config(
        config.num_hidden_layers,
        heads,
        activation=common_spec.Activation.SWISH,
        pre_norm=True,
        ffn_glu=True,
        rms_norm=True,
        rotary_dim=size if qk_norm else 0,
        rotary_interleave=False,
        rotary_scaling_type=None if factor is None else attention_spec.RotaryScalingType.Linear,
        rotary_scaling_factor=factor or 1,
        rotary_base=base,
        num_heads_kv=None if shared == heads else shared,
        head_dim=size if qk_norm else None,
        qk_norm=qk_norm,
    )
    decoder = spec.decoder
    decoder.scale_embeddings = False
    decoder.embeddings.weight = tensors.matrix("embed_tokens.weight")
    tensors.norm(decoder.layer_norm, "norm", bias=False)
    for number, layer in enumerate(decoder.layer):
        _layer(layer, tensors, f"layers.{number}", config, qk_norm)
    return spec


def _layer(spec: Any, tensors: Tensors, name: str, config: _Config, qk_norm: bool) -> None:
    attention = spec.self_attention
    tensors.norm(attention.layer_norm, f"{name}.input_layernorm", bias=False)
    tensors.norm(spec.ffn.layer_norm, f"{name}.post_attention_layernorm", bias=False)
    if qk_norm:
        tensors.norm(attention.q_norm, f"{name}.self_attn.q_norm", bias=False)
        tensors.norm(attention.k_norm, f"{name}.self_attn.k_norm", bias=False)
    # Qwen2 has biases on queries, keys and values; Qwen3 has them on all four, or on none.
    inner, outer = (config.attention_bias, config.attention_bias) if qk_norm else (True, False)
    tensors.linear(attention.linear[0], *(f"{name}.self_attn.{part}_proj" for part in "qkv"), bias=inner)
    tensors.linear(attention.linear[1], f"{name}.self_attn.o_proj", bias=outer)
    tensors.linear(spec.ffn.linear_0, f"{name}.mlp.gate_proj", bias=False)
    tensors.linear(spec.ffn.linear_0_noact, f"{name}.mlp.up_proj", bias=False)
    tensors.linear(spec.ffn.linear_1, f"{name}.mlp.down_proj", bias=False)


def _project(spec: Any, config: _Config, tensors: Tensors, tokens: list[str], head: Head) -> None:
    words = "embed_tokens.weight" if config.tie_word_embeddings or head == "hidden" else "lm_head.weight"
    # Some checkpoints store tied embeddings twice.
    tensors.drop("lm_head.weight")
    match head:
        case "lm":
            spec.weight = tensors.matrix(words)
        case "hidden":
            spec.weight = np.eye(config.hidden_size, dtype=np.float32)
        case "yes-no":
            numbers = [_number(tokens, word) for word in _ROWS]
            spec.weight = np.concatenate([tensors.read(words, at, at + 1) for at in numbers]).astype(np.float32)
        case _:
            raise ValueError(f"a decoder has no head {head}")


def _number(tokens: list[str], word: str) -> int:
    if word not in tokens:
        raise ValueError(f"its vocabulary has no token {word!r}")
    return tokens.index(word)


def _configure(config: Any, source: str, model: _Config) -> None:
    name = "tokenizer_config.json"
    exists = os.path.exists(os.path.join(source, name))
    tokenizer = read_json(source, name, _TokenizerConfig) if exists else _TokenizerConfig()
    config.bos_token = _text(tokenizer.bos_token) or _text(tokenizer.pad_token)
    config.eos_token = _text(tokenizer.eos_token)
    config.unk_token = _text(tokenizer.unk_token)
    config.layer_norm_epsilon = model.rms_norm_eps


def _text(token: str | dict[str, Any] | None) -> str:
    return str(token.get("content", "")) if isinstance(token, dict) else token or ""
