"""A deterministic engine without weights, in all three roles: it knows words, and nothing of what they mean.

Every word, and every two neighbouring characters of a Chinese, Japanese or Korean run, is a token: its hash.
`QMD_FAKE_DELAY_MS` (for each piece) makes it slow enough to be caught at work, `QMD_FAKE_LOAD_MS` slow to load.
On a text with `QMD_FAKE_FAIL` in it, it fails.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import time
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from qmd_daemon.engine.frames import Answer, Embed, Embedded, Expand, Expanded, Rerank, Scored
from qmd_daemon.engine.model import Line, LineKind, ModelInfo, Role, Score, Tokens, Vectors
from qmd_daemon.engine.role import Alive, Model, Piece

INFO = ModelInfo(
    name="fake", fingerprint="fake-1", dimension=384, max_tokens=256, tokenizer_file=None, dimensions=(192,)
)
INFOS: dict[Role, ModelInfo] = {
    "embedding": INFO,
    "reranker": ModelInfo("fake-reranker", "fake-1", 0, 256, None),
    "expansion": ModelInfo("fake-expansion", "fake-1", 0, 256, None),
}
# Eight coordinates of 384 for each word, so that different words are nearly perpendicular: two bytes decide each.
_TOKEN_BYTES = 16
_CJK = "぀-ヿ㐀-䶿一-鿿豈-﫿가-힯"
_WORD = re.compile(rf"[{_CJK}]+|[^\W{_CJK}]+")
_QUERY_TOKENS = 64
# Words that say nothing about what is looked for.
_STOP = frozenset("a an and are can do does for how i in is it my of on or the to what when where which why".split())


def load(role: Role) -> Model:
    time.sleep(float(os.environ.get("QMD_FAKE_LOAD_MS", "0")) / 1000)
    match role:
        case "embedding":
            return Embedder()
        case "reranker":
            return Reranker()
    return Expander()


class _Slow:
    """Takes as long as it is told for each piece, and notices when nobody waits any more."""

    def __init__(self) -> None:
        self._delay_s = float(os.environ.get("QMD_FAKE_DELAY_MS", "0")) / 1000

    def _work(self, pieces: int, alive: Alive) -> None:
        for _ in range(pieces):
            if self._delay_s and alive():
                time.sleep(self._delay_s)

    def close(self) -> None:
        """There is nothing to free."""


class Embedder(_Slow):
    """Texts are similar when they share words: each adds its own few coordinates, which its hash decides."""

    def encode(self, request: Embed) -> list[Piece]:
        bad = os.environ.get("QMD_FAKE_FAIL")
        if bad and any(bad in text for text in request.texts):
            raise ValueError(f"a text with {bad!r}")
        return [Piece(number, tokens(text)) for number, text in enumerate(request.texts)]

    def compute(self, batch: Sequence[Piece], alive: Alive) -> Vectors:
        self._work(len(batch), alive)
        return vectors([piece.tokens for piece in batch])

    def answer(self, request: Embed, pieces: Sequence[Piece], rows: Sequence[Vectors]) -> Answer:
        return Embedded(request.id, np.stack(rows).astype("<f4", copy=False).tobytes())


class Reranker(_Slow):
    """A document answers a query when it has its words, whatever their order. Long ones are read in windows."""

    def encode(self, request: Rerank) -> list[Piece]:
        query = tokens(request.query)[:_QUERY_TOKENS]
        room = INFO.max_tokens - len(query) - 1
        pieces = []
        for number, document in enumerate(request.documents):
            words = tokens(document, limit=None)
            pieces += [Piece(number, [*query, -1, *words[at : at + room]]) for at in range(0, len(words), room)]
        return pieces

    def compute(self, batch: Sequence[Piece], alive: Alive) -> list[float]:
        self._work(len(batch), alive)
        rows = []
        for piece in batch:
            middle = piece.tokens.index(-1)
            query, document = set(piece.tokens[:middle]), set(piece.tokens[middle + 1 :])
            rows.append(8.0 * len(query & document) / len(query) - 4.0)
        return rows

    def answer(self, request: Rerank, pieces: Sequence[Piece], rows: Sequence[float]) -> Answer:
        best = [-math.inf] * len(request.documents)
        for piece, row in zip(pieces, rows, strict=True):
            best[piece.of] = max(best[piece.of], row)
        return Scored(request.id, [Score(1 / (1 + math.exp(-raw)), raw) for raw in best])


class Expander(_Slow):
    """Lines made by rule: the words that matter, the query as a sentence, and an answer that begins with it."""

    def encode(self, request: Expand) -> list[Piece]:
        return [Piece(0, tokens(request.query), request)]

    def compute(self, batch: Sequence[Piece], alive: Alive) -> list[list[Line]]:
        self._work(sum(len(piece.more.kinds) for piece in batch), alive)
        return [_lines(piece.more) for piece in batch]

    def answer(self, request: Expand, pieces: Sequence[Piece], rows: Sequence[list[Line]]) -> Answer:
        return Expanded(request.id, rows[0])


def _lines(request: Expand) -> list[Line]:
    lines = [
        Line(kind, _line(kind, request.query, request.kinds[:number].count(kind)))
        for number, kind in enumerate(request.kinds)
    ]
    return [line for line in dict.fromkeys(lines) if line.text]


def _line(kind: LineKind, query: str, before: int) -> str:
    """The line of a kind; of the second and later ones, each leaves out one word more."""
    said = _words(query)
    words = [word for word in said if word not in _STOP][before:]
    cjk = re.search(f"[{_CJK}]", query) is not None
    match kind:
        case "lex":
            return " ".join(words)
        case "vec":
            return (f"关于{query}的说明" if cjk else f"information about {' '.join(words)}") if words else ""
    return f"{query}:" if said else ""


def tokens(text: str, limit: int | None = INFO.max_tokens) -> Tokens:
    """The hashes of a text's words. An empty text has a direction of its own, too."""
    return [_hash(word) for word in _words(text)][:limit] or [0]


def vectors(batch: Sequence[Tokens]) -> Vectors:
    """The vectors of texts that are cut into tokens."""
    found = np.zeros((len(batch), INFO.dimension), dtype=np.float32)
    for vector, text in zip(found, batch, strict=True):
        bits = np.frombuffer(b"".join(token.to_bytes(_TOKEN_BYTES, "little") for token in text), "<u2")
        np.add.at(vector, (bits >> 1) % INFO.dimension, np.where(bits & 1, 1.0, -1.0))
    # Words that cancel each other out to nothing still need a length.
    found[~found.any(axis=1), 0] = 1.0
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def _words(text: str) -> list[str]:
    words: list[str] = []
    for run in _WORD.findall(text.casefold()):
        if len(run) > 1 and re.match(f"[{_CJK}]", run):
            words.extend(run[i : i + 2] for i in range(len(run) - 1))
        else:
            words.append(run)
    return words


@lru_cache(maxsize=65_536)
def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=_TOKEN_BYTES).digest(), "little")
