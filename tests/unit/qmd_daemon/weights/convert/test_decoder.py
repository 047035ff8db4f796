"""What the converters of Qwen accept and refuse; tests/parity holds what they write against the truth."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest

from qmd_daemon.weights import heads
from qmd_daemon.weights.convert import qwen2, qwen3

HIDDEN, INNER, LAYERS, HEADS, SHARED, SIZE = 16, 24, 2, 4, 2, 8
WORDS = ["<|endoftext|>", "yes", "no", "a", "b"]
VOCABULARY = 7
Tensors = dict[str, np.ndarray]


def make(*, size: int = SIZE, norms: bool = True, biases: bool = False) -> Tensors:
    random = np.random.default_rng(3)
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (VOCABULARY, HIDDEN),
        "model.norm.weight": (HIDDEN,),
    }
    for number in range(LAYERS):
        layer = {
            "self_attn.q_proj.weight": (HEADS * size, HIDDEN),
            "self_attn.k_proj.weight": (SHARED * size, HIDDEN),
            "self_attn.v_proj.weight": (SHARED * size, HIDDEN),
            "self_attn.o_proj.weight": (HIDDEN, HEADS * size),
            "mlp.gate_proj.weight": (INNER, HIDDEN),
            "mlp.up_proj.weight": (INNER, HIDDEN),
            "mlp.down_proj.weight": (HIDDEN, INNER),
            "input_layernorm.weight": (HIDDEN,),
            "post_attention_layernorm.weight": (HIDDEN,),
        }
        if norms:
            layer |= {f"self_attn.{part}_norm.weight": (size,) for part in "qk"}
        if biases:
            layer |= {f"self_attn.{part}_proj.bias": layer[f"self_attn.{part}_proj.weight"][:1] for part in "qkv"}
        shapes |= {f"model.layers.{number}.{name}": shape for name, shape in layer.items()}
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def converted(safetensors, tmp_path: Path):
    """Write a checkpoint of Qwen3 (or Qwen2), convert it, and return the new directory."""

    def run(tensors: Tensors, head: Any = "lm", dtype: str = "F32", family: Any = qwen3, **config: Any) -> Path:
        source = tmp_path / "source"
        source.mkdir(exist_ok=True)
        settings = {
            "hidden_act": "silu",
            "hidden_size": HIDDEN,
            "num_attention_heads": HEADS,
            "num_key_value_heads": SHARED,
            "num_hidden_layers": LAYERS,
            "rms_norm_eps": 1e-6,
            "vocab_size": VOCABULARY,
            "tie_word_embeddings": True,
            "rope_theta": 1_000_000,
            **({"head_dim": SIZE} if family is qwen3 else {}),
            **config,
        }
        vocabulary = {word: number for number, word in enumerate(WORDS)}
        (source / "config.json").write_text(json.dumps(settings))
        (source / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}}))
        (source / "tokenizer_config.json").write_text(json.dumps({"eos_token": {"content": "<|endoftext|>"}}))
        safetensors(source / "model.safetensors", tensors, dtype)
        target = tmp_path / f"target{len(list(tmp_path.iterdir()))}"
        target.mkdir()
        family.convert(str(source), str(target), "float32", head)
        return target

    return run


def logits(directory: Path, tokens: list[int]) -> np.ndarray:
    return np.array(ctranslate2.Generator(str(directory), compute_type="float32").forward_batch([tokens]))[0]


def test_the_heads_agree(converted) -> None:
    """Logits are hidden states times rows of the output projection, whichever way they are computed."""
    tensors = make()
    every, states, two = (logits(converted(tensors, head), [3, 4, 3]) for head in ("lm", "hidden", "yes-no"))
    assert states.shape == (3, HIDDEN)
    assert two.shape == (3, 2)
    assert np.allclose(states @ tensors["model.embed_tokens.weight"].T, every, atol=1e-4)
    assert np.allclose(every[:, [1, 2]], two, atol=1e-5)
    score = heads.yes_no(two[None], [3])
    assert score[0] == pytest.approx(every[2, 1] - every[2, 2], abs=1e-4)


def test_names_without_a_prefix_and_tied_weights_stored_twice(converted) -> None:
    tensors = make()
    plain = converted(tensors)
    bare = converted({name.removeprefix("model."): tensor for name, tensor in tensors.items()})
    twice = converted({**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"]})
    for other in (bare, twice):
        assert (other / "model.bin").read_bytes() == (plain / "model.bin").read_bytes()


def test_untied_weights_are_used(converted) -> None:
    tensors = make()
    other = {**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"][::-1].copy()}
    tied, untied = converted(tensors), converted(other, tie_word_embeddings=False)
    assert np.allclose(logits(untied, [3, 4]), logits(tied, [3, 4])[:, ::-1], atol=1e-5)
    with pytest.raises(ValueError, match="lm_head"):
        converted(tensors, tie_word_embeddings=False)


def test_positions_in_the_words_of_both_versions(converted) -> None:
    old = converted(make(), rope_theta=5000.0, rope_scaling={"type": "linear", "factor": 2.0})
    new = converted(
        make(), rope_theta=None, rope_parameters={"rope_type": "linear", "rope_theta": 5000.0, "factor": 2.0}
    )
    assert (old / "model.bin").read_bytes() == (new / "model.bin").read_bytes()


def test_qwen2_has_biases_and_no_norms(converted) -> None:
    directory = converted(make(size=4, norms=False, biases=True), family=qwen2)
    assert np.isfinite(logits(directory, [3, 4])).all()
    assert json.loads((directory / "config.json").read_text())["eos_token"] == "<|endoftext|>"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"use_sliding_window": True}, "sliding window"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "sliding window"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "of the type yarn"),
        ({"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e6}}, "of the type dynamic"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, r"quantized already \(awq\)"),
        ({"hidden_act": "gelu"}, "activation gelu"),
        ({"num_hidden_layers": 1}, r"11 unknown tensors, such as layers\.1\."),
        ({"num_hidden_layers": 3}, r"no tensor layers\.2\."),
        ({"vocab_size": 3}, "larger than its embeddings"),
        ({"rms_norm_eps": "small"}, r"config\.json"),
    ],
)
def test_what_is_not_supported_is_refused(converted, config: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        converted(make(), **config)


def test_heads_of_another_size_are_refused_in_qwen2(converted) -> None:
    with pytest.raises(ValueError, match="attention heads"):
        converted(make(size=8, norms=False), family=qwen2, head_dim=8)


def test_norms_in_qwen2_are_not_left_out(converted) -> None:
    with pytest.raises(ValueError, match="unknown tensors"):
        converted(make(size=4, norms=True, biases=True), family=qwen2)


def test_a_judge_without_its_words(converted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "WORDS", ["<|endoftext|>", "oui", "non"])
    with pytest.raises(ValueError, match="no token 'yes'"):
        converted(make(), "yes-no")


def test_a_head_of_an_encoder_is_refused(converted) -> None:
    with pytest.raises(ValueError, match="no head dense-out"):
        converted(make(), "dense-out")
