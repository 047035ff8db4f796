"""The query language: words, `"phrases"`, `-not`, `prefix*`, and documents of typed lines.

    lex: CTranslate2 "batch size"     the words themselves
    vec: how are batches formed       the meaning
    hyde: Batches are cut by tokens…  a passage as the answer might be
    intent: the daemon, not training  what is meant, for whoever judges the results

A query without such lines is all of it at once. Standard library only.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from ipc.errors import QmdError
from qmd_daemon.store.lexical import Clause, LexicalQuery

# The 33 of Lucene's classic English list: words that say nothing about a document.
_STOP_WORDS = """
    a an and are as at be but by for if in into is it no not of on or such that the their then there these they this
    to was will with
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
_QUESTION = re.compile(
    r"[?？]|\b(?:what|which|who|whom|whose|when|where|why|how|does|did)\b|什么|怎么|怎样|如何|为何|哪|吗|谁|多少|何|どこ|いつ|なぜ",
    re.IGNORECASE,
)
_TYPED = re.compile(r"\s*(lex|vec|hyde|intent|expand)\s*:(.*)", re.IGNORECASE | re.DOTALL)
_ITEM = re.compile(r'(?P<not>-?)"(?P<phrase>[^"]*)"|(?P<minus>-(?=[^\W_]))?(?P<word>[^\s"]+)|"')
_PREFIX = re.compile(r"[^\W_]\w+\*")


class Parsed(NamedTuple):
    """A query, taken apart. `vectors` are questions to embed, `passages` (hyde) texts as an answer might be."""

    lexical: tuple[LexicalQuery, ...]
    vectors: tuple[str, ...]
    passages: tuple[str, ...] = ()
    intent: str = ""
    typed: bool = False


def parse(text: str) -> Parsed:
    """Take a query apart.

    Raises QmdError("invalid") for an empty query and for a document of typed lines that makes no sense.
    """
    # Full-width forms, which an input method leaves behind, mean the same.
    text = unicodedata.normalize("NFKC", text).strip()
    if not text:
        raise QmdError("invalid", "The query is empty.", "Write what you look for.")
    lines = [line for line in text.splitlines() if line.strip()]
    typed = [_TYPED.fullmatch(line) for line in lines]
    if not any(typed):
        return _plain(" ".join(lines))
    if not all(typed):
        raise QmdError("invalid", "Typed lines and plain ones do not mix.", "Begin each line with lex:, vec: or hyde:.")
    return _document([(match[1].lower(), match[2].strip()) for match in typed if match])


def terms(text: str) -> LexicalQuery:
    """Read one line of words, phrases, negations and prefixes. Never fails: what is malformed is a word."""
    clauses = _all(text)
    telling = [clause for clause in clauses if clause.kind != "word" or clause.text.lower() not in STOP_WORDS]
    question = _QUESTION.search(text) is not None
    # "to be or not to be": where nothing else is asked for, stop words are.
    return LexicalQuery(tuple(telling if any(not clause.negated for clause in telling) else clauses), question)


def _plain(line: str) -> Parsed:
    lexical = terms(line)
    meaning = " ".join(clause.text for clause in _all(line) if not clause.negated)
    return Parsed((lexical,), (meaning,) if meaning else ())


def _all(line: str) -> list[Clause]:
    return [clause for match in _ITEM.finditer(line) if (clause := _clause(match))]


def _clause(match: re.Match[str]) -> Clause | None:
    if match["phrase"] is not None:
        return Clause(match["phrase"], "phrase", bool(match["not"])) if match["phrase"].strip() else None
    word = match["word"]
    if word is None:  # a quote without its partner
        return None
    if _PREFIX.fullmatch(word):
        return Clause(word[:-1], "prefix", match["minus"] is not None)
    return Clause(word, "word", match["minus"] is not None)


def _document(lines: list[tuple[str, str]]) -> Parsed:
    for kind, text in lines:
        if not text:
            raise QmdError("invalid", f"The line `{kind}:` is empty.", "Write what it looks for, or leave it out.")
    found: dict[str, list[str]] = {kind: [text for k, text in lines if k == kind] for kind, _ in lines}
    if "expand" in found:
        if len(lines) > 1:
            raise QmdError("invalid", "`expand:` stands alone.", "It is the same as a query without typed lines.")
        return _plain(found["expand"][0])
    if len(found.get("intent", [])) > 1:
        raise QmdError("invalid", "There are two `intent:` lines.", "Make them one.")
    if set(found) == {"intent"}:
        raise QmdError("invalid", "An intent alone looks for nothing.", "Add a line with lex:, vec: or hyde:.")
    for kind in ("vec", "hyde"):
        if any(clause.negated for text in found.get(kind, []) for clause in _all(text)):
            raise QmdError("invalid", f"`{kind}:` cannot exclude words: vectors know no *not*.", "Use -word in lex:.")
    return Parsed(
        lexical=tuple(terms(text) for text in found.get("lex", [])),
        vectors=tuple(found.get("vec", [])),
        passages=tuple(found.get("hyde", [])),
        intent="".join(found.get("intent", [])),
        typed=True,
    )
