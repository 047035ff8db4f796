"""A query and a document as a reranker reads them: framed as it was trained, and cut where the document is too long.

Pure but for the tokenizer. A long document becomes several windows, which overlap so that no sentence is lost at a
cut; its score is that of the best one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from tokenizers import Encoding, Tokenizer

from qmd_daemon.engine.model import Tokens

# Models that read more read no better for it, and cost more: attention grows with the square.
WINDOW_TOKENS = 512
OVERLAP_TOKENS = 64
# A query longer than this share of a window leaves too little to the document.
_QUERY_SHARE = 3
_SPECIAL = re.compile(r"<\|[^|>]*\|>")


class Frame(Protocol):
    def windows(self, query: str, documents: Sequence[str]) -> Iterator[tuple[int, Tokens]]:
        """Yield (the number of the document, a window's tokens), at least one for each document, in order."""
        ...


class Pair:
    """An encoder's: `[CLS] query [SEP] document [SEP]`, or `<s> query </s></s> document </s>`."""

    def __init__(self, tokenizer: Tokenizer, first: str, separators: Sequence[str], last: str, limit: int) -> None:
        self._tokenizer = tokenizer
        ids: dict[str, int] = {token: _id(tokenizer, token) for token in (first, *separators, last)}
        self._first, self._last = ids[first], ids[last]
        self._separators = [ids[token] for token in separators]
        self._limit = min(limit, WINDOW_TOKENS)

    def windows(self, query: str, documents: Sequence[str]) -> Iterator[tuple[int, Tokens]]:
        asked, *read = self._tokenizer.encode_batch_fast([query, *documents], add_special_tokens=False)
        head = [self._first, *asked.ids[: self._limit // _QUERY_SHARE], *self._separators]
        for number, encoding in enumerate(read):
            for window in cut(encoding.ids, self._limit - len(head) - 1):
                yield number, [*head, *window, self._last]


class Template:
    """A decoder's: a chat in which it is asked to judge, with {query} and {document}.

    What a document says between `<|` and `|>` is text to the model, never a part of the template.
    """

    def __init__(self, tokenizer: Tokenizer, template: str, limit: int) -> None:
        before, rest = template.split("{query}")
        self._middle, after = rest.split("{document}")
        head, self._lead = split_lead(before)
        self._head: Tokens = tokenizer.encode(head, add_special_tokens=False).ids
        self._tail: Tokens = tokenizer.encode(after, add_special_tokens=False).ids
        self._limit = min(limit, WINDOW_TOKENS + len(self._head) + len(self._tail))
        # From now on what looks like a special token is text.
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer

    def windows(self, query: str, documents: Sequence[str]) -> Iterator[tuple[int, Tokens]]:
        asked = self._tokenizer.encode(query, add_special_tokens=False)
        most = self._limit // _QUERY_SHARE
        if len(asked.ids) > most:
            query = query[: asked.offsets[most][0]]
        lead = f"{self._lead}{query}{self._middle}"
        for number, encoding in enumerate(
            self._tokenizer.encode_batch([lead + document for document in documents], add_special_tokens=False)
        ):
            begins = _first_after(encoding, len(lead))
            head = [*self._head, *encoding.ids[:begins]]
            for window in cut(encoding.ids[begins:], self._limit - len(head) - len(self._tail)):
                yield number, [*head, *window, *self._tail]


def split_lead(before: str) -> tuple[str, str]:
    """Cut what stands before a text in a template behind its last special token.

    The rest belongs to the text, whose first word is one token with the space before it.
    """
    at = max((match.end() for match in _SPECIAL.finditer(before)), default=0)
    return before[:at], before[at:]


def cut(tokens: Sequence[int], room: int) -> list[list[int]]:
    """Cut tokens into windows of at most `room`; all but the first begin with what the one before ended with."""
    step = max(1, room - min(OVERLAP_TOKENS, room // 4))
    starts = range(0, max(1, len(tokens) - room + step), step)
    return [list(tokens[at : at + room]) for at in starts]


def _first_after(encoding: Encoding, characters: int) -> int:
    """The first token that reaches beyond so many characters."""
    ends = encoding.offsets
    return next((at for at, (_, end) in enumerate(ends) if end > characters), len(ends))


def _id(tokenizer: Tokenizer, token: str) -> int:
    found = tokenizer.token_to_id(token)
    if found is None:
        raise ValueError(f"the tokenizer has no {token}")
    return found
