from __future__ import annotations

import asyncio
from collections.abc import Sequence

from qmd_daemon.engine.model import Line, Priority
from qmd_daemon.search.wording import Wording, fit

SHARES = {"ctranslate2": 0.001, "batch": 0.2, "size": 0.3, "显存": 0.002, "监控": 0.2}


def kept(query: str, *lines: tuple[str, str]) -> list[str]:
    made = [Line(kind, text) for kind, text in lines]
    return [line.text for line in fit(query, made, lambda word: SHARES.get(word, 0.0))]


class TestFit:
    def test_a_line_without_the_rare_word_is_rejected(self) -> None:
        assert kept("CTranslate2 batch size", ("lex", "batch size tuning"), ("vec", "CTranslate2 memory use")) == [
            "CTranslate2 memory use"
        ]

    def test_a_line_in_another_script_is_rejected(self) -> None:
        assert kept("显存监控", ("vec", "how to monitor video memory"), ("vec", "如何监控显存的使用")) == [
            "如何监控显存的使用"
        ]
        assert kept("batch size", ("vec", "批次 batch 大小")) == []

    def test_a_line_that_shares_no_word_is_rejected(self) -> None:
        assert kept("batch size", ("lex", "cooking recipes"), ("lex", "batches")) == ["batches"]

    def test_each_wording_once_and_the_query_not_again(self) -> None:
        assert kept("batch size", ("lex", "size, Batch"), ("lex", "large batch"), ("vec", "batch large")) == [
            "large batch"
        ]

    def test_an_unknown_word_need_not_be_kept(self) -> None:
        assert kept("batch sizzze", ("lex", "batch size")) == ["batch size"]


class Model:
    name = "model"

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def expand(self, query: str, *, priority: Priority, deadline_s: float | None) -> Sequence[Line]:
        self.asked.append(query)
        return [Line("lex", f"{query} more")]


def test_the_model_is_asked_once_for_each_query() -> None:
    model = Model()
    wording = Wording(model)
    for query in ("batch", "batch", "size", "batch"):
        lines = asyncio.run(wording.lines(query, lambda _: 0.5, Priority.INTERACTIVE, None))
        assert [line.text for line in lines] == [f"{query} more"]
    assert model.asked == ["batch", "size"]
