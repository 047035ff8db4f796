"""What requests, replies and events have in common: versions, limits, and the kinds of values."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

PROTOCOL_VERSION = 1
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
MAX_TEXTS = 1000
MAX_TOP_K = 1000
# What a caller may ask to be served before: a person waiting, a program waiting, nobody waiting.
ClientClass = Literal["interactive", "agent", "bulk"]
# What a model is there for. Each role has one model, or none.
Role = Literal["embedding", "reranker", "expansion"]
# What is told to whoever listens.
Topic = Literal["gpu", "job", "index", "models", "log"]
# The typed lines of the query language: words, a sentence for the vectors, an answer as it may be written.
LineKind = Literal["lex", "vec", "hyde"]
MAX_LINES = 8
# How long a model stays in memory after its last use: seconds, or "30s", "5m", "2h"; 0 not at all, -1 for ever.
KeepAlive = float | Annotated[str, Meta(pattern=r"^(-1|\d+(\.\d+)?(s|m|h)?)$")]
TopK = Annotated[int, Meta(ge=1, le=MAX_TOP_K)]
QueryText = Annotated[str, Meta(max_length=10_000)]
FilterText = Annotated[str, Meta(max_length=1000)]
