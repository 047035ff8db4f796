"""Converts a checkpoint of the size of a real model, and says how long it took and how much memory.

    python benchmarks/convert.py [SHAPE…] [--quantization int8]

The weights are zeros that take no room on disk; how long that takes is how long real ones take, but for the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from math import prod

QWEN3 = {
    "model_type": "qwen3",
    "hidden_act": "silu",
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "num_hidden_layers": 28,
    "rms_norm_eps": 1e-6,
    "vocab_size": 151_669,
    "tie_word_embeddings": True,
    "rope_theta": 1_000_000,
}
XLM_R = {
    "model_type": "xlm-roberta",
    "hidden_act": "gelu",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "num_hidden_layers": 24,
    "layer_norm_eps": 1e-5,
    "vocab_size": 250_002,
    "max_position_embeddings": 8194,
    "type_vocab_size": 1,
    "pad_token_id": 1,
}
BASE = {**XLM_R, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "max_position_embeddings": 514}
# name -> (configuration, type of the weights, head)
SHAPES = {
    "qwen3-embedding-0.6b": (QWEN3, "BF16", "hidden"),
    "bge-m3": (XLM_R, "F32", "none"),
    "multilingual-e5-base": (BASE, "F32", "none"),
}
_LIMIT_MB = 300


def shapes(config: dict) -> dict[str, tuple[int, ...]]:
    """The tensors of a checkpoint of that configuration."""
    hidden, inner, words = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    if config["model_type"] == "qwen3":
        wide, narrow = (config[n] * config["head_dim"] for n in ("num_attention_heads", "num_key_value_heads"))
        tensors: dict[str, tuple[int, ...]] = {"embed_tokens.weight": (words, hidden), "norm.weight": (hidden,)}
        layer: dict[str, tuple[int, ...]] = {
            "self_attn.q_proj": (wide, hidden),
            "self_attn.k_proj": (narrow, hidden),
            "self_attn.v_proj": (narrow, hidden),
            "self_attn.o_proj": (hidden, wide),
            "self_attn.q_norm": (config["head_dim"],),
            "self_attn.k_norm": (config["head_dim"],),
            "mlp.gate_proj": (inner, hidden),
            "mlp.up_proj": (inner, hidden),
            "mlp.down_proj": (hidden, inner),
            "input_layernorm": (hidden,),
            "post_attention_layernorm": (hidden,),
        }
        for number in range(config["num_hidden_layers"]):
            tensors |= {f"layers.{number}.{name}.weight": shape for name, shape in layer.items()}
        return tensors
    tensors = {
        "embeddings.word_embeddings.weight": (words, hidden),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], hidden),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    }
    layer = {
        "attention.self.query": (hidden, hidden),
        "attention.self.key": (hidden, hidden),
        "attention.self.value": (hidden, hidden),
        "attention.output.dense": (hidden, hidden),
        "attention.output.LayerNorm": (hidden,),
        "intermediate.dense": (inner, hidden),
        "output.dense": (hidden, inner),
        "output.LayerNorm": (hidden,),
    }
    for number in range(config["num_hidden_layers"]):
        for name, shape in layer.items():
            tensors[f"encoder.layer.{number}.{name}.weight"] = shape
            tensors[f"encoder.layer.{number}.{name}.bias"] = shape[:1]
    return tensors


def write(directory: str, config: dict, dtype: str) -> int:
    """Write a checkpoint of zeros, and return its size."""
    header, size = {}, 0
    for name, shape in shapes(config).items():
        length = prod(shape) * (2 if dtype == "BF16" else 4)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [size, size + length]}
        size += length
    head = json.dumps(header).encode()
    with open(os.path.join(directory, "model.safetensors"), "wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        file.truncate(8 + len(head) + size)
    with open(os.path.join(directory, "config.json"), "w") as text:
        json.dump(config, text)
    with open(os.path.join(directory, "tokenizer.json"), "w") as text:
        json.dump({"model": {"vocab": {f"token{n}": n for n in range(config["vocab_size"])}}}, text)
    return size


def convert(source: str, quantization: str, head: str) -> None:
    """In a process of its own: convert, and print the seconds, the largest resident size, and that of the result."""
    # CTranslate2 imports torch where it is installed: 300 MB that are not ours.
    sys.modules["torch"] = None  # type: ignore[assignment]
    from qmd_daemon.weights.convert import qwen3, xlm_roberta

    with open(os.path.join(source, "config.json")) as text:
        family = json.load(text)["model_type"]
    target = os.path.join(source, "converted")
    os.mkdir(target)
    began = time.perf_counter()
    (qwen3 if family == "qwen3" else xlm_roberta).convert(source, target, quantization, head)
    seconds = time.perf_counter() - began
    # Not getrusage: it counts what the parent had when it forked.
    with open("/proc/self/status") as text:
        peak = next(int(line.split()[1]) for line in text if line.startswith("VmHWM:")) * 1024
    converted = os.path.getsize(os.path.join(target, "model.bin"))
    print(json.dumps({"seconds": seconds, "peak_bytes": peak, "converted_bytes": converted}))


def measure(config: dict, dtype: str, head: str, quantization: str) -> dict:
    """Convert a generated checkpoint in a process of its own."""
    with tempfile.TemporaryDirectory() as directory:
        size = write(directory, config, dtype)
        command = [sys.executable, __file__, "--run", directory, "--quantization", quantization, "--head", head]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {"bytes": size, **json.loads(output)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shapes", nargs="*", default=list(SHAPES), help=f"of {', '.join(SHAPES)}")
    parser.add_argument("--quantization", default="int8")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--head", default="none", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        convert(arguments.run, arguments.quantization, arguments.head)
        return 0
    worst = 0.0
    for name in arguments.shapes:
        found = measure(*SHAPES[name], arguments.quantization)
        worst = max(worst, found["peak_bytes"] / 1e6)
        print(
            f"{name}: {found['bytes'] / 1e6:.0f} MB -> {found['converted_bytes'] / 1e6:.0f} MB "
            f"in {found['seconds']:.1f} s, at most {found['peak_bytes'] / 1e6:.0f} MB resident"
        )
    return 0 if worst <= _LIMIT_MB else 1


if __name__ == "__main__":
    sys.exit(main())
