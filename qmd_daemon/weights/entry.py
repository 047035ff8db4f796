"""What is known of a model: how it is fed, how its output is read, and where its weights are."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

Role: TypeAlias = Literal["embedding", "reranker", "expansion"]
Family: TypeAlias = Literal["bert", "xlm-roberta", "qwen2", "qwen3"]
DECODERS: frozenset[Family] = frozenset({"qwen2", "qwen3"})  # the others are encoders
Pooling: TypeAlias = Literal["mean", "cls", "last", "none"]
# What is made of the hidden states:
#   none               nothing: an encoder's are pooled
#   hidden             a decoder's are pooled: its projection is the identity
#   pooler-classifier  BERT: a dense layer and tanh over the first token, then one logit
#   dense-out          XLM-RoBERTa: the same two layers under other names
#   yes-no             the logits of two words after the last token
#   lm                 the logits of all words: a language model
Head: TypeAlias = Literal["none", "hidden", "pooler-classifier", "dense-out", "yes-no", "lm"]

WEIGHTS = "model.safetensors"
SHARDS = "model.safetensors.index.json"
PICKLED = "pytorch_model.bin"
TOKENIZER = "tokenizer.json"


class Package(Struct, frozen=True, kw_only=True, tag="package"):
    """Weights that a Python package carries, in `directory` below it. The package is never imported."""

    module: str
    requirement: str
    directory: str
    sha256: str  # of WEIGHTS
    size_bytes: int  # of WEIGHTS


class Hub(Struct, frozen=True, kw_only=True, tag="hub"):
    """Weights on ModelScope: the same model under several names, tried in order.

    `files` are the patterns of what is needed; `fallback` is fetched only where the repository lists no
    safetensors. `sha256` by file, where it is known for certain: elsewhere the hub's listing has to do.
    """

    repositories: tuple[str, ...]
    revision: str = "master"
    files: tuple[str, ...] = ("config.json", TOKENIZER, "tokenizer_config.json", SHARDS, "model*.safetensors")
    fallback: tuple[str, ...] = (PICKLED,)
    sha256: dict[str, str] = {}


class Directory(Struct, frozen=True, kw_only=True, tag="directory"):
    """A directory in Hugging Face's layout. `digest` stands for what is in its weights."""

    path: str
    digest: str


class Entry(Struct, frozen=True, kw_only=True):
    """One model. `max_tokens` counts the special tokens; prompts are put before a text; `license` is an SPDX name.

    `dimensions` are those a person may choose: the vector is cut to so many coordinates, then scaled to
    length 1. `end_token` is the last token of a text that is embedded, and ends what a language model says.
    `template` frames what a decoder is asked: a reranker's with {query} and {document}, an expander's with
    {system} and {user}; each is replaced once, literally. The sizes are those of the files: `download_bytes` as
    published, `converted_bytes` in int8.
    """

    name: str
    role: Role
    family: Family
    dimension: int = 0
    dimensions: tuple[int, ...] = ()
    max_tokens: int
    pooling: Pooling = "none"
    normalise: bool = False
    query_prompt: str = ""
    document_prompt: str = ""
    template: str = ""
    head: Head = "none"
    end_token: str = ""
    languages: tuple[str, ...] = ()  # ISO 639-1; empty: any
    license: str
    download_bytes: int = 0
    converted_bytes: int = 0
    source: Package | Hub | Directory

    def knows(self, language: str) -> bool:
        return not self.languages or language in self.languages
