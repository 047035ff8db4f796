"""The models that judge a document against a query. Without its template, Qwen3-Reranker judges at random."""

from __future__ import annotations

from qmd_daemon.weights.entry import Entry, Hub

QWEN3_RERANKER = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
    "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n"
    "<Query>: {query}\n<Document>: {document}"
    "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
)
# The fourteen languages of mMARCO.
_MMARCO = ("en", "ar", "zh", "nl", "fr", "de", "hi", "id", "it", "ja", "pt", "ru", "es", "vi")

RERANKERS: tuple[Entry, ...] = (
    Entry(
        name="bge-reranker-base",
        role="reranker",
        family="xlm-roberta",
        max_tokens=512,
        head="dense-out",
        languages=("en", "zh"),
        license="MIT",
        download_bytes=1_129_000_000,
        converted_bytes=282_800_000,
        source=Hub(repositories=("BAAI/bge-reranker-base", "Xorbits/bge-reranker-base")),
    ),
    Entry(
        name="bge-reranker-v2-m3",
        role="reranker",
        family="xlm-roberta",
        max_tokens=8192,
        head="dense-out",
        license="Apache-2.0",
        download_bytes=2_288_000_000,
        converted_bytes=599_000_000,
        source=Hub(repositories=("BAAI/bge-reranker-v2-m3", "AI-ModelScope/bge-reranker-v2-m3")),
    ),
    Entry(
        name="bce-reranker-base-v1",
        role="reranker",
        family="xlm-roberta",
        max_tokens=512,
        head="dense-out",
        languages=("zh", "en", "ja", "ko"),
        license="Apache-2.0",
        download_bytes=1_129_000_000,
        converted_bytes=282_800_000,
        source=Hub(repositories=("maidalun/bce-reranker-base_v1", "netease-youdao/bce-reranker-base_v1")),
    ),
    Entry(
        name="mmarco-mminilmv2-l12-h384-v1",
        role="reranker",
        family="xlm-roberta",
        max_tokens=512,
        head="dense-out",
        languages=_MMARCO,
        license="Apache-2.0",
        download_bytes=488_000_000,
        converted_bytes=120_100_000,
        source=Hub(
            repositories=(
                "cross-encoder/mmarco-mMiniLMv2-L12-H384-v1",
                "AI-ModelScope/mmarco-mMiniLMv2-L12-H384-v1",
            )
        ),
    ),
    Entry(
        name="ms-marco-minilm-l6-v2",
        role="reranker",
        family="bert",
        max_tokens=512,
        head="pooler-classifier",
        languages=("en",),
        license="Apache-2.0",
        download_bytes=91_600_000,
        converted_bytes=24_100_000,
        source=Hub(
            repositories=("cross-encoder/ms-marco-MiniLM-L6-v2", "cross-encoder/ms-marco-MiniLM-L-6-v2"),
        ),
    ),
    Entry(
        name="qwen3-reranker-0.6b",
        role="reranker",
        family="qwen3",
        max_tokens=8192,  # what its card's own code cuts to; the model itself holds 32,768
        template=QWEN3_RERANKER,
        head="yes-no",
        license="Apache-2.0",
        download_bytes=1_203_000_000,
        converted_bytes=598_000_000,
        source=Hub(repositories=("Qwen/Qwen3-Reranker-0.6B",)),
    ),
)
