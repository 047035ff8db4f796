"""A query in other words, from a language model in CTranslate2. For the worker only.

The grammar is kept by construction: which lines there are and of which kinds is ours, what is in them the model's.
Each line is generated for itself, up to its end or a number of tokens, always with the likeliest word, so that the
same query has the same lines. All lines of a request are one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from qmd_daemon.engine.device import Device
from qmd_daemon.engine.frames import Answer, Expand, Expanded
from qmd_daemon.engine.lines import MAX_TOKENS, SYSTEM, ask, distinct
from qmd_daemon.engine.model import Line, LineKind, Tokens
from qmd_daemon.engine.network import Network
from qmd_daemon.engine.role import Alive, Piece
from qmd_daemon.engine.windows import split_lead
from qmd_daemon.weights.entry import Entry

# What a person asks is shorter. A document that was pasted as a query is not read to its end.
QUERY_TOKENS = 256
# A newline, as the byte-level tokenizers of Qwen write it: alone or at the end of punctuation.
_NEWLINE = "Ċ"


class Expander:
    """Implements `role.Model`: a piece is a request with the prompt of each line, a row all its lines."""

    def __init__(self, entry: Entry, directory: str, device: Device, threads: int) -> None:
        self._network = Network(entry, directory, device, 1, threads)
        self._chat = Chat(self._network.tokenizer, entry.template)
        self._end = entry.end_token

    def encode(self, request: Expand) -> list[Piece]:
        query = self._chat.shorten(request.query)
        prompts = [
            self._chat.prompt(ask(kind, query, request.kinds[:number].count(kind)))
            for number, kind in enumerate(request.kinds)
        ]
        return [Piece(0, [0], _Task(query, request.kinds, prompts))]

    def compute(self, batch: Sequence[Piece], alive: Alive) -> list[list[Line]]:
        return [self._lines(piece.more, alive) for piece in batch]

    def answer(self, request: Expand, pieces: Sequence[Piece], rows: Sequence[list[Line]]) -> Answer:
        return Expanded(request.id, rows[0])

    def close(self) -> None:
        self._network.close()

    def _lines(self, task: _Task, alive: Alive) -> list[Line]:
        limits = [MAX_TOKENS[kind] for kind in task.kinds]
        written: list[Tokens] = [[] for _ in task.kinds]

        def stop(step: Any) -> bool:
            line = written[step.batch_id]
            if _NEWLINE in step.token:
                return bool(line) or not alive() or step.step > limits[step.batch_id]
            line.append(step.token_id)
            return len(line) >= limits[step.batch_id] or not alive()

        self._network.model.generate_batch(
            task.prompts,
            max_length=max(limits) + 1,
            sampling_topk=1,
            repetition_penalty=1.1,
            end_token=self._end,
            include_prompt_in_result=False,
            callback=stop,
        )
        texts = [self._network.tokenizer.decode(line) for line in written]
        return distinct(task.query, [Line(*pair) for pair in zip(task.kinds, texts, strict=True)])


class _Task(NamedTuple):
    query: str
    kinds: list[LineKind]
    prompts: list[list[str]]


class Chat:
    """The template of a chat, with a person's words in it: what looks like a special token there is text."""

    def __init__(self, tokenizer: Tokenizer, template: str) -> None:
        before, after = template.replace("{system}", SYSTEM).split("{user}")
        head, self._lead = split_lead(before)
        self._head: list[str] = tokenizer.encode(head, add_special_tokens=False).tokens
        self._tail: list[str] = tokenizer.encode(after, add_special_tokens=False).tokens
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer

    def shorten(self, query: str) -> str:
        encoding = self._tokenizer.encode(query, add_special_tokens=False)
        return query if len(encoding.ids) <= QUERY_TOKENS else query[: encoding.offsets[QUERY_TOKENS][0]]

    def prompt(self, user: str) -> list[str]:
        words: list[str] = self._tokenizer.encode(self._lead + user, add_special_tokens=False).tokens
        return [*self._head, *words, *self._tail]
