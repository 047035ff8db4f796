"""Converts encoders of the BERT family from safetensors to CTranslate2, with neither torch nor transformers.

The same variables in the same order as CTranslate2's own converter writes, less the pooler, which only
classifiers use.
"""

from __future__ import annotations

import os
import re
from typing import Any, TypeVar

import msgspec
import numpy as np
from ctranslate2.specs import common_spec, transformer_spec
from msgspec import Struct

from qmd_daemon.weights.convert.safetensors import Checkpoint

T = TypeVar("T", bound=Struct)
_ACTIVATIONS = {
    "gelu": common_spec.Activation.GELU,
    "gelu_new": common_spec.Activation.GELUTanh,
    "gelu_pytorch_tanh": common_spec.Activation.GELUTanh,
    "relu": common_spec.Activation.RELU,
}
# In many checkpoints, and of no use to an encoder: a buffer of 0, 1, 2, …, and the head of a classifier.
_UNUSED = re.compile(r"embeddings\.position_ids|pooler\.dense\.(weight|bias)")


class _Config(Struct, frozen=True):
    """What we need of config.json."""

    hidden_act: str
    layer_norm_eps: float
    num_attention_heads: int
    num_hidden_layers: int
    vocab_size: int
    position_embedding_type: str = "absolute"


class _Vocabulary(Struct, frozen=True):
    vocab: dict[str, int]


class _Added(Struct, frozen=True):
    id: int
    content: str


class _Tokenizer(Struct, frozen=True):
    """What we need of tokenizer.json."""

    model: _Vocabulary
    added_tokens: list[_Added] = []


class _Weights:
    """A checkpoint's tensors by the names of BertModel, whatever its dialect; remembers which were not asked for."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._names = {_canonical(name): name for name in checkpoint.names()}
        self._left = set(self._names)

    def read(self, name: str) -> Any:
        self._left.discard(name)
        return self._checkpoint.read(self._names.get(name, name))

    def linear(self, spec: Any, name: str) -> None:
        spec.weight, spec.bias = self.read(f"{name}.weight"), self.read(f"{name}.bias")

    def norm(self, spec: Any, name: str) -> None:
        spec.gamma, spec.beta = self.read(f"{name}.weight"), self.read(f"{name}.bias")

    def unknown(self) -> list[str]:
        return sorted(name for name in self._left if not _UNUSED.fullmatch(name))


def convert(source: str, target: str, quantization: str) -> None:
    """Write model.bin, config.json and vocabulary.json into the existing directory `target`.

    `source` holds config.json, tokenizer.json and model.safetensors. `quantization` is one of CTranslate2's
    names (float32, float16, int8, …). Raises ValueError with the reason when the checkpoint is damaged or
    is not of this family: a tensor that is missing, or one that we would leave out.
    """
    config = _read(source, "config.json", _Config)
    if config.position_embedding_type != "absolute" or config.hidden_act not in _ACTIVATIONS:
        raise ValueError("its configuration is not one of this family")
    with Checkpoint(os.path.join(source, "model.safetensors")) as checkpoint:
        weights = _Weights(checkpoint)
        spec = _spec(config, weights)
    if unknown := weights.unknown():
        raise ValueError(f"it has {len(unknown)} unknown tensors, such as {unknown[0]}")
    spec.register_vocabulary(_vocabulary(source, config.vocab_size))
    spec.config.unk_token = "[UNK]"  # noqa: S105
    spec.config.layer_norm_epsilon = config.layer_norm_eps
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(target)


def _spec(config: _Config, weights: _Weights) -> Any:
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
    encoder.embeddings[0].weight = weights.read("embeddings.word_embeddings.weight")
    encoder.embeddings[1].weight = weights.read("embeddings.token_type_embeddings.weight")
    encoder.position_encodings.encodings = weights.read("embeddings.position_embeddings.weight")
    weights.norm(encoder.layernorm_embedding, "embeddings.LayerNorm")
    for number, layer in enumerate(encoder.layer):
        _layer(layer, weights, f"encoder.layer.{number}")
    return transformer_spec.TransformerEncoderModelSpec(encoder)


def _layer(spec: Any, weights: _Weights, name: str) -> None:
    attention = spec.self_attention
    parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
    attention.linear[0].weight = np.concatenate([weights.read(f"{part}.weight") for part in parts])
    attention.linear[0].bias = np.concatenate([weights.read(f"{part}.bias") for part in parts])
    weights.linear(attention.linear[1], f"{name}.attention.output.dense")
    weights.norm(attention.layer_norm, f"{name}.attention.output.LayerNorm")
    weights.linear(spec.ffn.linear_0, f"{name}.intermediate.dense")
    weights.linear(spec.ffn.linear_1, f"{name}.output.dense")
    weights.norm(spec.ffn.layer_norm, f"{name}.output.LayerNorm")


def _canonical(name: str) -> str:
    """Drop the prefix of a model with a head on it, and the names that LayerNorm's tensors had in TensorFlow."""
    name = name.removeprefix("bert.")
    return re.sub(r"LayerNorm\.(gamma|beta)$", lambda m: f"LayerNorm.{'weight' if m[1] == 'gamma' else 'bias'}", name)


def _vocabulary(source: str, size: int) -> list[str]:
    """The tokens in the order of their ids, filled up to the model's `size`."""
    tokenizer = _read(source, "tokenizer.json", _Tokenizer)
    by_id = {number: token for token, number in tokenizer.model.vocab.items()}
    by_id.update((added.id, added.content) for added in tokenizer.added_tokens)
    if by_id and max(by_id) >= size:
        raise ValueError("its vocabulary is larger than its embeddings")
    return [by_id.get(number, f"<extra_id_{number}>") for number in range(size)]


def _read(source: str, name: str, kind: type[T]) -> T:
    with open(os.path.join(source, name), "rb") as file:
        try:
            return msgspec.json.decode(file.read(), type=kind)
        except msgspec.MsgspecError as error:
            raise ValueError(f"{name}: {error}") from None
