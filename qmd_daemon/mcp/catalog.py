"""How the tools are described to an agent. All of it is in the agent's context all the time: every word costs."""

from __future__ import annotations

from typing import Any, NamedTuple

from qmd_daemon.mcp.arguments import MAX_HITS


class Described(NamedTuple):
    """A tool's name and title, what it is for, and the JSON schemas of what it takes and gives."""

    name: str
    title: str
    description: str
    takes: dict[str, Any]
    gives: dict[str, Any] | None = None


def _object(required: tuple[str, ...] = (), /, **properties: dict[str, Any]) -> dict[str, Any]:
    needed = {"required": list(required)} if required else {}
    return {"type": "object", "properties": properties, **needed, "additionalProperties": False}


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _texts(description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "description": description}


def _number(description: str, **bounds: float) -> dict[str, Any]:
    return {"type": "number", **bounds, "description": description}


def _count(description: str, **more: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, **more, "description": description}


_ON = {"type": "boolean"}
_NUMBERS = {"type": "boolean", "default": True}

TOOLS = (
    Described(
        "query",
        "Search",
        "Search by words and by meaning. Gives passages with docid, file, line and score. In `query`:"
        ' "exact phrase", -without, begin*. Or typed lines: `lex: words`, `vec: a question`,'
        " `hyde: a passage as the answer may be`.",
        _object(
            ("query",),
            query=_text("in the documents' language"),
            top_k=_count("hits", maximum=MAX_HITS, default=10),
            collections=_texts("only these"),
            intent=_text("what is meant, where words are ambiguous"),
            paths=_texts("globs: notes/**"),
            types=_texts("file name endings: md, py"),
            after=_text("2026, 2026-04, 2026-04-30 or 7d"),
            before=_text("the same"),
            where=_texts("front matter: tags=gpu"),
            min_score={"type": "number"},
            min_relevance=_number("probability", minimum=0, maximum=1),
            rerank=_ON,
            expand=_ON,
            candidates=_count("to rerank", maximum=200, default=40),
        ),
        _object(
            ("results",),
            results={
                "type": "array",
                "items": {"type": "object", "required": ["docid", "file", "line", "title", "score", "snippet"]},
            },
            notes=_texts("what was left out, and why"),
        ),
    ),
    Described(
        "get",
        "Read a document",
        "Lines of one document, numbered. Long ones come in parts; the end says how to go on.",
        _object(
            ("ref",),
            ref=_text("#docid, qmd://collection/path, or a path; also with :line:count"),
            from_line=_count("first line"),
            max_lines=_count("how many"),
            line_numbers=_NUMBERS,
        ),
    ),
    Described(
        "multi_get",
        "Read several documents",
        "Documents by glob or by a list, in one answer.",
        _object(
            ("pattern",),
            pattern=_text("notes/2026/*.md, or ref,ref,…"),
            max_lines=_count("of each"),
            max_bytes=_count("leave larger ones out", default=65_536),
            line_numbers=_NUMBERS,
        ),
    ),
    Described("status", "What is indexed", "Collections, models, and whether the index is fresh.", _object()),
)
