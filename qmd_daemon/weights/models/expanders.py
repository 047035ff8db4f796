"""The language models that put a query in other words."""

from __future__ import annotations

from qmd_daemon.weights.entry import Entry, Hub

QWEN2_CHAT = "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"
# An empty thought, which the model takes for one that it has had: it answers at once.
QWEN3_CHAT = QWEN2_CHAT + "<think>\n\n</think>\n\n"

EXPANDERS: tuple[Entry, ...] = (
    Entry(
        name="qwen3-0.6b",
        role="expansion",
        family="qwen3",
        max_tokens=32_768,
        template=QWEN3_CHAT,
        head="lm",
        end_token="<|im_end|>",  # noqa: S106
        license="Apache-2.0",
        download_bytes=1_515_000_000,  # it stores the output projection, which is its embeddings, once more
        converted_bytes=598_300_000,
        source=Hub(repositories=("Qwen/Qwen3-0.6B",)),
    ),
    Entry(
        name="qwen2.5-0.5b-instruct",
        role="expansion",
        family="qwen2",
        max_tokens=32_768,
        template=QWEN2_CHAT,
        head="lm",
        end_token="<|im_end|>",  # noqa: S106
        license="Apache-2.0",
        download_bytes=996_000_000,
        converted_bytes=496_100_000,
        source=Hub(repositories=("Qwen/Qwen2.5-0.5B-Instruct",)),
    ),
)
