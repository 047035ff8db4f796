"""What the tools take. The names are those of the protocol; what tobi/qmd calls otherwise is read, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from ipc.errors import QmdError
from ipc.protocol import MAX_LINES, FilterText, LineKind, Query, QueryText

A = TypeVar("A", bound="Arguments")
# An agent that wants more of them asks better.
MAX_HITS = 50
Line = Annotated[int, Meta(ge=1)]
Texts = Annotated[list[FilterText], Meta(max_length=100)]

_OTHER_NAMES = {
    "limit": "top_k",
    "minScore": "min_score",
    "candidateLimit": "candidates",
    "file": "ref",
    "path": "ref",
    "fromLine": "from_line",
    "maxLines": "max_lines",
    "maxBytes": "max_bytes",
    "lineNumbers": "line_numbers",
}


class Arguments(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one tool."""


class QueryArguments(Arguments, frozen=True, kw_only=True):
    query: Annotated[QueryText, Meta(min_length=1)]
    top_k: Annotated[int, Meta(ge=1, le=MAX_HITS)] = 10
    collections: Texts = []
    intent: QueryText = ""
    paths: Texts = []
    types: Texts = []
    after: FilterText = ""
    before: FilterText = ""
    where: Texts = []
    min_score: float | None = None
    min_relevance: Annotated[float, Meta(ge=0, le=1)] | None = None
    rerank: bool | None = None
    expand: bool | None = None
    candidates: Annotated[int, Meta(ge=1, le=200)] = 40

    def request(self, index: str) -> Query:
        """Agents wait, but a person who waits is served first."""
        return Query(**msgspec.structs.asdict(self), index=index, client="agent")


class GetArguments(Arguments, frozen=True, kw_only=True):
    ref: Annotated[str, Meta(min_length=1, max_length=4096)]
    from_line: Line | None = None
    max_lines: Line | None = None
    line_numbers: bool = True


class MultiGetArguments(Arguments, frozen=True, kw_only=True):
    pattern: Annotated[str, Meta(min_length=1, max_length=16_384)]
    max_lines: Line | None = None
    max_bytes: Annotated[int, Meta(ge=1)] = 65_536
    line_numbers: bool = True


class StatusArguments(Arguments, frozen=True, kw_only=True):
    pass


class Typed(Arguments, frozen=True, kw_only=True):
    """One of tobi/qmd's `searches`."""

    type: LineKind
    query: Annotated[QueryText, Meta(min_length=1)]


def read(kind: type[A], given: Mapping[str, Any] | None) -> A:
    """Check what an agent sent. Raises QmdError("invalid") with the field and what was probably meant."""
    fields = {_name(name, kind): value for name, value in (given or {}).items() if value is not None}
    if kind is QueryArguments and "searches" in fields:
        fields["query"] = _lines(fields.pop("searches"), fields.get("query"))
    hints = get_type_hints(kind)
    for name, value in fields.items():
        # One name instead of a list of one: what is meant is plain.
        if isinstance(value, str) and get_origin(hints.get(name)) is list:
            fields[name] = [value]
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise QmdError("invalid", f"Not valid: {error}.", _hint(str(error), kind)) from None


def _name(name: str, kind: type[Arguments]) -> str:
    other = _OTHER_NAMES.get(name, name)
    return other if other in kind.__struct_fields__ else name


def _lines(searches: Any, query: Any) -> str:
    """tobi/qmd's list of typed searches, in the query language: a line for each."""
    if query is not None:
        raise QmdError("invalid", "Give either `query` or `searches`.", "Typed lines may stand in `query` itself.")
    try:
        typed = msgspec.convert(searches, Annotated[list[Typed], Meta(min_length=1, max_length=MAX_LINES)])
    except msgspec.ValidationError:
        message = 'Not valid: `searches` is a list of {"type": "lex", "vec" or "hyde", "query": "…"}.'
        raise QmdError("invalid", message, f"At most {MAX_LINES}.") from None
    return "\n".join(f"{one.type}: {' '.join(one.query.split())}" for one in typed)


def _hint(text: str, kind: type[Arguments]) -> str:
    known = kind.__struct_fields__
    if "unknown field" not in text:
        return ""
    import difflib

    if near := difflib.get_close_matches(text.split("`")[1][:64], known, n=1):
        return f"Did you mean `{near[0]}`?"
    return f"Known: {', '.join(known)}." if known else "It takes none."
