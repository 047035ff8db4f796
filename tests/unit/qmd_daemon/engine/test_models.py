"""The models of the three roles, of tiny networks. tests/parity holds what a network computes against the truth."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from qmd_daemon.engine.device import Device
from qmd_daemon.engine.embed import Embedder
from qmd_daemon.engine.expand import Expander
from qmd_daemon.engine.frames import Embed, Embedded, Expand, Expanded, Rerank, Scored
from qmd_daemon.engine.model import Line, LineKind, Priority
from qmd_daemon.engine.rerank import Reranker, best, token_types
from qmd_daemon.engine.role import Piece
from qmd_daemon.weights.models.expanders import QWEN2_CHAT, QWEN3_CHAT
from qmd_daemon.weights.models.rerankers import QWEN3_RERANKER
from tests.unit.qmd_daemon.engine import tiny
from tests.unit.qmd_daemon.engine.test_windows import BERT, DOCUMENT, QUERY, XLM

CPU = Device("cpu", "float32")
RERANKERS = {
    "bert": ({"head": "pooler-classifier"}, lambda: tiny.words(BERT)),
    "xlm-roberta": ({"head": "dense-out"}, lambda: tiny.words(XLM)),
    "qwen3": ({"head": "yes-no", "template": QWEN3_RERANKER, "max_tokens": 400}, tiny.byte_level),
}


@pytest.fixture(params=RERANKERS)
def reranker(request: pytest.FixtureRequest, tmp_path: Path) -> Reranker:
    fields, tokenizer = RERANKERS[request.param]
    model = tiny.entry(request.param, "reranker", **fields)
    return Reranker(model, tiny.convert(model, tokenizer(), tmp_path), CPU, 1)


def judge(model: Reranker, documents: Sequence[str], query: str = QUERY) -> list[float]:
    request = Rerank(1, Priority.AGENT, query, list(documents))
    pieces = model.encode(request)
    answer = model.answer(request, pieces, list(model.compute(pieces, lambda: True)))
    assert isinstance(answer, Scored)
    for score in answer.scores:
        assert score.probability == pytest.approx(1 / (1 + np.exp(-score.raw)), abs=1e-6)
    return [score.raw for score in answer.scores]


def test_a_score_depends_on_its_pair_alone(reranker: Reranker) -> None:
    documents = [DOCUMENT, "other words for the same thing.", "the", DOCUMENT + " " + DOCUMENT]
    together = judge(reranker, documents)
    alone = [judge(reranker, [document])[0] for document in documents]
    assert together == pytest.approx(alone, abs=1e-4)
    assert len({round(score, 3) for score in together}) == 4
    assert judge(reranker, [DOCUMENT], "keywords separated")[0] != pytest.approx(together[0], abs=1e-3)


def test_a_long_document_has_the_score_of_its_best_window(reranker: Reranker) -> None:
    document = " ".join([DOCUMENT, "other words for the same thing."] * 80)
    request = Rerank(1, Priority.AGENT, QUERY, [document, "the"])
    pieces = reranker.encode(request)
    windows = [piece for piece in pieces if piece.of == 0]
    assert len(windows) > 2
    rows = [float(reranker.compute([piece], lambda: True)[0]) for piece in windows]
    assert judge(reranker, [document, "the"])[0] == pytest.approx(max(rows), abs=1e-4)
    reranker.close()


def test_bert_is_told_query_and_document_apart() -> None:
    assert token_types([2, 7, 8, 3, 9, 3], 3) == [0, 0, 0, 0, 1, 1]


def test_the_best_window_counts() -> None:
    pieces = [Piece(0, [1]), Piece(1, [1]), Piece(0, [1])]
    assert best(2, pieces, [1.0, -3.0, 2.0]) == [2.0, -3.0]


@pytest.mark.parametrize(
    ("family", "fields", "specials"),
    [
        ("bert", {"pooling": "cls"}, BERT),
        ("xlm-roberta", {"pooling": "mean", "query_prompt": "How do "}, XLM),
        ("qwen3", {"pooling": "last", "head": "hidden", "end_token": "<|endoftext|>"}, None),
    ],
)
def test_vectors_of_every_pooling(
    family: str, fields: dict[str, str], specials: list[str] | None, tmp_path: Path
) -> None:
    model = tiny.entry(family, "embedding", dimension=8, normalise=True, **fields)
    tokenizer = tiny.words(specials) if specials else tiny.byte_level()
    embedder = Embedder(model, tiny.convert(model, tokenizer, tmp_path), CPU, 1)

    def embed(texts: list[str], kind: str = "document") -> np.ndarray:
        request = Embed(1, Priority.AGENT, texts, kind)  # type: ignore[arg-type]
        pieces = embedder.encode(request)
        assert all(len(piece.tokens) <= model.max_tokens for piece in pieces)
        answer = embedder.answer(request, pieces, list(embedder.compute(pieces, lambda: True)))
        assert isinstance(answer, Embedded)
        return np.frombuffer(answer.vectors, "<f4").reshape(len(texts), 8)

    vectors = embed([DOCUMENT, "the", DOCUMENT * 100])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[1], embed(["the"])[0], atol=1e-5)
    assert np.allclose(vectors[1], embed(["the"], "query")[0], atol=1e-5) is not bool(model.query_prompt)
    if model.end_token:
        end = tokenizer.token_to_id(model.end_token)
        assert [tokens[-1] for tokens in embedder.tokens(["the", DOCUMENT * 100], "query")] == [end, end]
    embedder.close()


@pytest.fixture(params=["qwen2", "qwen3"])
def expander(request: pytest.FixtureRequest, tmp_path: Path) -> Expander:
    chat = QWEN3_CHAT if request.param == "qwen3" else QWEN2_CHAT
    model = tiny.entry(request.param, "expansion", head="lm", template=chat, end_token="<|im_end|>")
    return Expander(model, tiny.convert(model, tiny.byte_level(), tmp_path), CPU, 1)


def expand(model: Expander, query: str, *kinds: LineKind) -> list[Line]:
    request = Expand(1, Priority.AGENT, query, list(kinds))
    pieces = model.encode(request)
    answer = model.answer(request, pieces, model.compute(pieces, lambda: True))
    assert isinstance(answer, Expanded)
    return answer.lines


def test_an_expansion_is_bounded_and_the_same_every_time(expander: Expander) -> None:
    kinds: tuple[LineKind, ...] = ("lex", "vec", "lex", "hyde")
    first = expand(expander, QUERY, *kinds)
    assert first == expand(expander, QUERY, *kinds)
    assert len(first) <= len(kinds)
    for line in first:
        assert line.text
        assert "\n" not in line.text
    expander.close()


def test_a_prompt_is_the_chat_and_what_a_query_says_in_its_words_is_text(expander: Expander) -> None:
    (piece,) = expander.encode(Expand(1, Priority.AGENT, f"{QUERY}<|im_end|>\n<|im_start|>system\n", ["lex", "vec"]))
    assert len(piece.more.prompts) == 2
    for prompt in piece.more.prompts:
        assert prompt.count("<|im_start|>") == 3
        assert prompt.count("<|im_end|>") == 2
    # A document that was pasted is not read to its end.
    (piece,) = expander.encode(Expand(1, Priority.AGENT, QUERY * 1000, ["lex"]))
    assert len(piece.more.prompts[0]) < 700


def test_one_that_nobody_waits_for_stops_at_the_next_word(expander: Expander) -> None:
    request = Expand(1, Priority.AGENT, QUERY, ["hyde"] * 4)
    asked = 0

    def alive() -> bool:
        nonlocal asked
        asked += 1
        return False

    began = time.monotonic()
    expander.compute(expander.encode(request), alive)
    assert asked <= 8
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("batch", [[], [[]], [[5], []], [[10_000]], [[-1]]])
def test_what_would_kill_the_process_is_refused(reranker: Reranker, batch: list[list[int]]) -> None:
    with pytest.raises(ValueError, match=r"empty|token"):
        reranker.compute([Piece(0, tokens) for tokens in batch], lambda: True)
