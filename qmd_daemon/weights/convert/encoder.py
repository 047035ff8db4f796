"""What BERT and XLM-RoBERTa have in common: everything but names, positions and the classifier's two layers.

The same variables in the same order as CTranslate2's own converter writes, less the pooler: what classifies is
kept in a file of its own, and computed in float32 (qmd_daemon/weights/heads.py).
"""

from __future__ import annotations

import re
from typing import Any

from ctranslate2.specs import common_spec, transformer_spec
from msgspec import Struct

from qmd_daemon.weights import heads
from qmd_daemon.weights.convert import vocabulary
from qmd_daemon.weights.convert.files import Files, read_json
from qmd_daemon.weights.convert.tensors import Tensors
from qmd_daemon.weights.convert.writer import write
from qmd_daemon.weights.entry import Head

_ACTIVATIONS = {
    "gelu": common_spec.Activation.GELU,
    "gelu_new": common_spec.Activation.GELUTanh,
    "gelu_pytorch_tanh": common_spec.Activation.GELUTanh,
    "relu": common_spec.Activation.RELU,
}
# In many checkpoints, and of no use to an encoder: buffers, the heads of classifiers, and of pre-training.
_UNUSED = re.compile(
    r"embeddings\.(position_ids|token_type_ids)|(pooler\.dense|classifier(\.dense|\.out_proj)?)\.(weight|bias)|"
    r"(cls|lm_head)\..*"
)


class _Config(Struct, frozen=True):
    """What we need of config.json."""

    hidden_act: str
    layer_norm_eps: float
    num_attention_heads: int
    num_hidden_layers: int
    vocab_size: int
    position_embedding_type: str | None = None
    pad_token_id: int | None = None
    is_decoder: bool = False
    quantization_config: dict[str, Any] | None = None


class Dialect(Struct, frozen=True):
    """How a family says it. `dense` and `output` are the names of its classifier's two layers."""

    prefix: str
    unk_token: str
    dense: str
    output: str
    positions_follow_padding: bool = False


def convert(dialect: Dialect, source: str, target: str, quantization: str, head: Head) -> None:
    """Write the model into the existing directory `target`, and head.npz beside it where it has a head.

    `source` holds config.json, tokenizer.json and the weights. Raises ValueError with the reason when the
    checkpoint is damaged or not of this family: a tensor that is missing, or one that we would leave out.
    """
    config = read_json(source, "config.json", _Config)
    if (config.position_embedding_type or "absolute") != "absolute":
        raise ValueError(f"its configuration has {config.position_embedding_type} positions, which are not supported")
    if config.hidden_act not in _ACTIVATIONS or config.is_decoder or config.quantization_config:
        raise ValueError("its configuration is not one of this family")
    with Files(source) as files:
        tensors = Tensors(files, lambda name: _canonical(dialect.prefix, name))
        spec = _spec(config, dialect, tensors)
        if head != "none":
            dense, output = dialect.dense, dialect.output
            heads.save(target, *(tensors.read(f"{layer}.{part}") for layer in (dense, output) for part in _PARTS))
        if unknown := [name for name in tensors.left() if not _UNUSED.fullmatch(name)]:
            raise ValueError(f"it has {len(unknown)} unknown tensors, such as {unknown[0]}")
        spec.config.unk_token = dialect.unk_token
        spec.config.layer_norm_epsilon = config.layer_norm_eps
        write(spec, vocabulary.read(source, config.vocab_size), target, quantization)


_PARTS = ("weight", "bias")


def _spec(config: _Config, dialect: Dialect, tensors: Tensors) -> Any:
    encoder = transformer_spec.TransformerEncoderSpec(
        config.num_hidden_layers,
        config.num_attention_heads,
        pre_norm=False,
        activation=_ACTIVATIONS[config.hidden_act],
        layernorm_embedding=True,
        num_source_embeddings=2,
        embeddings_merge=common_spec.EmbeddingsMerge.ADD,
    )
    encoder.scale_embeddings = False
    encoder.embeddings[0].weight = tensors.matrix("embeddings.word_embeddings.weight")
    encoder.embeddings[1].weight = tensors.matrix("embeddings.token_type_embeddings.weight")
    # The first token of an XLM-RoBERTa is at the position behind that of its padding, which is at its token's id.
    padding = 1 if config.pad_token_id is None else config.pad_token_id
    start = padding + 1 if dialect.positions_follow_padding else 0
    encoder.position_encodings.encodings = tensors.matrix("embeddings.position_embeddings.weight", start=start)
    tensors.norm(encoder.layernorm_embedding, "embeddings.LayerNorm")
    for number, layer in enumerate(encoder.layer):
        _layer(layer, tensors, f"encoder.layer.{number}")
    return transformer_spec.TransformerEncoderModelSpec(encoder)


def _layer(spec: Any, tensors: Tensors, name: str) -> None:
    attention = spec.self_attention
    tensors.linear(attention.linear[0], *(f"{name}.attention.self.{part}" for part in ("query", "key", "value")))
    tensors.linear(attention.linear[1], f"{name}.attention.output.dense")
    tensors.norm(attention.layer_norm, f"{name}.attention.output.LayerNorm")
    tensors.linear(spec.ffn.linear_0, f"{name}.intermediate.dense")
    tensors.linear(spec.ffn.linear_1, f"{name}.output.dense")
    tensors.norm(spec.ffn.layer_norm, f"{name}.output.LayerNorm")


def _canonical(prefix: str, name: str) -> str:
    """Drop the prefix of a model with a head on it, and the names that LayerNorm's tensors had in TensorFlow."""
    name = name.removeprefix(prefix)
    return re.sub(r"LayerNorm\.(gamma|beta)$", lambda m: f"LayerNorm.{'weight' if m[1] == 'gamma' else 'bias'}", name)
