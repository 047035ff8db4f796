"""Cutting a text into chunks along its structure, measured in the embedding model's own tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from semantic_text_splitter import MarkdownSplitter, TextSplitter
from tokenizers import Tokenizer

from qmd_daemon.engine.model import ModelInfo
from qmd_daemon.ingest import titles
from qmd_daemon.store.chunks import Source, Span

_VERSION = 1
# What a model adds around a text: [CLS] and [SEP] or the like.
_SPECIAL_TOKENS = 2
_TITLE_TOKENS = 32
# A chunk is a passage, also where a model could read a book.
_CHUNK_TOKENS_MAX = 480
# For an engine that has no tokens: English has about four characters in one.
_CHARACTERS_PER_TOKEN = 4
# A run of base64 or emoji may be a single unknown token; no chunk is longer than so many characters for each token.
_CHARACTERS_PER_TOKEN_MAX = 8
# Longer texts are cut into blocks first: the splitter's time is quadratic in a run without punctuation (100,000
# Chinese characters 10 s, 200,000 37 s), and linear in anything else.
_BLOCK_CHARACTERS = 16_384
_FENCE = re.compile(r" {0,3}(```|~~~)")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]")

_Pieces = list[tuple[int, str]]


class Cut(NamedTuple):
    """A chunk, and the text to make its vector of."""

    span: Span
    text: str


class Chunker:
    """Cuts for one model. Blocks; the library lets other threads run meanwhile."""

    def __init__(self, model: ModelInfo) -> None:
        """Reads the model's tokenizer, for some 50 ms."""
        room = min(model.max_tokens - _SPECIAL_TOKENS - _TITLE_TOKENS, _CHUNK_TOKENS_MAX)
        self._tokenizer: Tokenizer | None = None
        if model.tokenizer_file is None:
            size = room * _CHARACTERS_PER_TOKEN
            self._markdown, self._plain = MarkdownSplitter(size), TextSplitter(size)
        else:
            self._tokenizer = Tokenizer.from_file(model.tokenizer_file)
            # Files of tokenizers come with the cut and the padding that their authors trained with.
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
            self._markdown = MarkdownSplitter.from_huggingface_tokenizer(self._tokenizer, room)
            self._plain = TextSplitter.from_huggingface_tokenizer(self._tokenizer, room)
        self._longest = room * _CHARACTERS_PER_TOKEN_MAX
        self._by_characters = TextSplitter(self._longest)
        # What vectors depend on besides the model: those of another way to cut are never mixed in.
        self.cut_id = f"{_VERSION}-{room}{'' if self._tokenizer else 'c'}"

    def cut(self, source: Source) -> list[Cut]:
        """The chunks of a content, in order. None of them overlap; what lies between them is blank."""
        markdown = titles.is_markdown(source.path)
        split = self._markdown.chunk_indices if markdown else self._plain.chunk_indices
        title = self._short(titles.inside(source.text, source.path) or "")
        cuts: list[Cut] = []
        line, counted = 1, 0
        for start, piece in self._pieces(source.text, split, markdown=markdown):
            line += source.text.count("\n", counted, start)
            counted = start
            first = piece.partition("\n")[0]
            text = piece if not title or title in first else f"{title}\n{piece}"
            cuts.append(Cut(Span(start, start + len(piece), line), text))
        return cuts

    def _pieces(self, text: str, split: Callable[[str], _Pieces], *, markdown: bool) -> Iterator[tuple[int, str]]:
        for begin, end in _blocks(text, titles.body(text), markdown=markdown):
            for start, piece in split(text[begin:end]):
                if len(piece) <= self._longest:
                    yield begin + start, piece
                else:
                    for inner, part in self._by_characters.chunk_indices(piece):
                        yield begin + start + inner, part

    def _short(self, title: str) -> str:
        """As much of a title as there is room for."""
        if self._tokenizer is None:
            return title[: _TITLE_TOKENS * _CHARACTERS_PER_TOKEN]
        offsets = self._tokenizer.encode(title, add_special_tokens=False).offsets
        return title if len(offsets) <= _TITLE_TOKENS else title[: offsets[_TITLE_TOKENS - 1][1]]


def _blocks(text: str, start: int, *, markdown: bool) -> Iterator[tuple[int, int]]:
    """Cover the text from `start` with blocks that the splitter can bear."""
    while len(text) - start > _BLOCK_CHARACTERS:
        stop = _cut_place(text, start, markdown=markdown)
        yield start, stop
        start = stop
    if start < len(text):
        yield start, len(text)


def _cut_place(text: str, start: int, *, markdown: bool) -> int:
    """Where to end a block: before a heading in its second half, else behind a blank line, a line, or anywhere.

    Fenced code is not cut while there is another place.
    """
    limit = start + _BLOCK_CHARACTERS
    heading = blank = line = 0
    fenced = False
    place = start
    while (newline := text.find("\n", place, limit)) != -1:
        current = text[place:newline]
        if markdown and _FENCE.match(current):
            fenced = not fenced
        if not fenced:
            if markdown and _HEADING.match(current) and place > (start + limit) // 2:
                heading = place
            if not current.strip():
                blank = newline + 1
        place = line = newline + 1
    return heading or blank or line or limit
