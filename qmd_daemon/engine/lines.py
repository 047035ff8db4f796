"""What a language model is asked for each kind of line, and what is kept of what it writes. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from qmd_daemon.engine.model import Line, LineKind

MAX_TOKENS: dict[LineKind, int] = {"lex": 24, "vec": 48, "hyde": 96}
SYSTEM = (
    "You help a search engine to find documents. Answer with one line of text and nothing else, "
    "in the language of the query. No explanation, no list, no quotation marks."
)
# In the language of the query, which small models keep to only if they are asked in it. The second and later lines
# of a kind ask for something else.
_ASK: dict[LineKind, tuple[str, ...]] = {
    "lex": (
        "Write other keywords for this query, separated by spaces: synonyms of its words.\nQuery: {query}",
        "Write the technical terms that a document about this would use, separated by spaces.\nQuery: {query}",
    ),
    "vec": (
        "Say this query in other words, as one sentence.\nQuery: {query}",
        "Write the question that somebody with this query wants answered.\nQuery: {query}",
    ),
    "hyde": ("Write one sentence of a document that answers this query.\nQuery: {query}",),
}
_ASK_CHINESE: dict[LineKind, tuple[str, ...]] = {
    "lex": (
        "写出这个查询的其他关键词（同义词、近义词），用空格隔开。\n查询：{query}",
        "写出相关文档里会出现的专业术语，用空格隔开。\n查询：{query}",
    ),
    "vec": ("用一句话换一种说法表达这个查询。\n查询：{query}", "写出提出这个查询的人想问的问题。\n查询：{query}"),
    "hyde": ("写出一篇能回答这个查询的文档中的一句话。\n查询：{query}",),
}
_HAN = re.compile(r"[㐀-䶿一-鿿豈-﫿]")
_KANA_HANGUL = re.compile(r"[぀-ヿ가-힯]")
# What a model puts before a line though it was asked not to: "lex:", "1.", "- ".
_PREFIX = re.compile(r"^(?:(?:lex|vec|hyde|keywords?|query|关键词|查询)\s*[:：]|\d+[.)、]|[-*•])\s*", re.IGNORECASE)
_QUOTES = "\"'“”‘’「」『』`"


def ask(kind: LineKind, query: str, before: int) -> str:
    """What the model is asked for a line of this kind, with `before` lines of it asked for already."""
    chinese = _HAN.search(query) and not _KANA_HANGUL.search(query)
    asks = (_ASK_CHINESE if chinese else _ASK)[kind]
    return asks[before % len(asks)].replace("{query}", query)


def distinct(query: str, lines: Sequence[Line]) -> list[Line]:
    """The lines cleaned, without those that are empty, in another language, or say what is said already."""
    said = {_folded(query)}
    kept = []
    for line in lines:
        text = clean(line)
        if text and _cjk(text) == _cjk(query) and _folded(text) not in said:
            said.add(_folded(text))
            kept.append(Line(line.kind, text))
    return kept


def clean(line: Line) -> str:
    """One line of the query language: no control characters, no quotation marks, in words no operators."""
    shown = "".join(character if unicodedata.category(character)[0] != "C" else " " for character in line.text)
    text = " ".join(shown.replace("\ufffd", " ").split())
    while (shorter := _PREFIX.sub("", text)) != text:
        text = shorter
    text = text.strip(_QUOTES + " ")
    if line.kind == "lex":
        # A comma separates here as a space does; a quotation mark or a dash in front would be an operator.
        bare = re.sub(r"[,，、;；\"“”「」『』]+", " ", text)
        words = [word.strip("-") for word in bare.split()]
        text = " ".join(dict.fromkeys(word for word in words if word))
    return text


def _cjk(text: str) -> bool:
    return bool(_HAN.search(text) or _KANA_HANGUL.search(text))


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(".?!。？！")
