"""What each part of a line of code is, in a few kinds that the stylesheet colours. Pure: knows no widget."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pygments.lexer import Lexer

# Longer windows are shown plain: a lexer may take its time over a megabyte on one line.
_MOST_CHARACTERS = 100_000
KINDS = ("comment", "string", "number", "keyword", "name", "heading")
# Kinds by what pygments calls them; the first that a token's type lies in.
_TOKENS = (
    ("Token.Comment", "comment"),
    ("Token.Literal.String", "string"),
    ("Token.Literal.Number", "number"),
    ("Token.Keyword", "keyword"),
    ("Token.Operator.Word", "keyword"),
    ("Token.Name.Builtin", "keyword"),
    ("Token.Name.Tag", "keyword"),
    ("Token.Name.Function", "name"),
    ("Token.Name.Class", "name"),
    ("Token.Name.Decorator", "name"),
)
# Markdown by its lines: pygments takes 0.1 s for 400 of them, a frame is 16 ms.
_MARKDOWN = re.compile(r"(?P<heading>^#{1,6} .*)|(?P<comment>^ {0,3}>.*|^ {0,3}(?:```|~~~).*)|(?P<string>`[^`]+`)")

# Of characters [start, stop), and their kind.
Run = tuple[int, int, str]


def is_markdown(path: str) -> bool:
    return path.lower().endswith((".md", ".markdown", ".mdx", ".qmd", ".rmd"))


class Syntax:
    """The coloured runs of a window of lines, by the language that the file's name says.

    A lexer is read no further than the lines that were asked for.
    """

    def __init__(self, lines: Sequence[str], path: str) -> None:
        self._lines = lines
        self._markdown = is_markdown(path)
        lexer = None if self._markdown or sum(map(len, lines)) > _MOST_CHARACTERS else _lexer(path)
        self._tokens: Iterator[tuple[Any, str]] = lexer.get_tokens("\n".join(lines)) if lexer else iter(())
        self._runs: list[list[Run]] = [[]]
        self._column = 0

    def line(self, index: int) -> list[Run]:
        if self._markdown:
            return [(*found.span(), found.lastgroup or "") for found in _MARKDOWN.finditer(self._lines[index])]
        while len(self._runs) <= index + 1:
            token = next(self._tokens, None)
            if token is None:
                break
            self._take(*token)
        return self._runs[index] if index < len(self._runs) else []

    def _take(self, token: Any, text: str) -> None:
        kind = _kind(str(token))
        for number, part in enumerate(text.split("\n")):
            if number:
                self._runs.append([])
                self._column = 0
            if kind and part:
                self._runs[-1].append((self._column, self._column + len(part), kind))
            self._column += len(part)


def _lexer(path: str) -> Lexer | None:
    from pygments.lexers import find_lexer_class_for_filename
    from pygments.lexers.special import TextLexer

    kind = find_lexer_class_for_filename(path.rpartition("/")[2])
    if kind is None or kind is TextLexer:
        return None
    lexer: Lexer = kind(stripnl=False, ensurenl=False)
    return lexer


@lru_cache(maxsize=256)
def _kind(token: str) -> str:
    return next((kind for name, kind in _TOKENS if token == name or token.startswith(f"{name}.")), "")
