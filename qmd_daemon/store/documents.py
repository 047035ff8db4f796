"""Documents as they are stored: looking them up by id, by content, and by what a person calls them.

Functions over a connection, with the standard library only: `qmd search` imports this in a process
that has 44 ms in all.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ipc import project
from ipc.errors import QmdError
from ipc.paths import DEFAULT_INDEX

SELECT = "SELECT id, collection, path, title, hash, mtime_ns FROM documents "
_LISTED = "IN (SELECT value FROM json_each(?))"
_DOCID_MIN = 6
_SUGGESTIONS = 5
# Names looked through for a suggestion: difflib takes about 10 µs for each.
_NAMES_COMPARED = 20_000


class Stored(NamedTuple):
    """A document without its text. `path` is relative to the collection, with `/`; `hash` is its text's sha256."""

    id: int
    collection: str
    path: str
    title: str
    hash: str
    mtime_ns: int


class Collection(NamedTuple):
    """A directory that is indexed. `contexts` maps a path's prefix to a sentence about what lies below it."""

    name: str
    path: str
    pattern: str
    ignore: list[str]
    contexts: dict[str, str]
    included: bool
    documents: int


def by_ids(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Stored]:
    """Those of the documents that exist, by id."""
    return {document.id: document for document in _select(connection, "id " + _LISTED, numbers(ids))}


def text(connection: sqlite3.Connection, hash: str) -> str:  # noqa: A002 - it is what the column is called
    """The text of a content. Raises KeyError when there is none of that hash."""
    row = connection.execute("SELECT text FROM contents WHERE hash = ?", (hash,)).fetchone()
    if row is None:
        raise KeyError(hash)
    return str(row[0])


def docid(hash: str) -> str:  # noqa: A002
    """The short name of a content: `#` and six hexadecimal digits."""
    return f"#{hash[:_DOCID_MIN]}"


def uri(collection: str, path: str, index: str = DEFAULT_INDEX) -> str:
    """`qmd://collection/path`, readable: nothing is percent-encoded.

    Another index than the default is named, but not that of a project: in the project it is the default.
    """
    unnamed = index == DEFAULT_INDEX or project.is_local(index)
    return f"qmd://{collection}/{path}" + ("" if unnamed else f"?index={index}")


def context(connection: sqlite3.Connection, collection: str, path: str) -> str:
    """What the person says about this place: the global context and those of all prefixes, most general first."""
    return context_of(path, contexts(connection, collection))


def contexts(connection: sqlite3.Connection, collection: str) -> list[tuple[str, str]]:
    """What the person says about places in a collection, by prefix, most general first; the global context first."""
    found = connection.execute("SELECT '', value FROM meta WHERE key = 'global_context' AND value <> ''").fetchall()
    # json_each, because importing `json` costs more than the query
    return (
        found
        + connection.execute(
            "SELECT trim(each.key, '/') AS prefix, each.value FROM collections, json_each(contexts) AS each"
            " WHERE name = ? ORDER BY length(prefix)",
            (collection,),
        ).fetchall()
    )


def context_of(path: str, contexts: Iterable[tuple[str, str]]) -> str:
    """`context`, of a collection's contexts."""
    return "\n\n".join(
        value for prefix, value in contexts if not prefix or path == prefix or path.startswith(prefix + "/")
    )


def collections(connection: sqlite3.Connection) -> list[Collection]:
    """All collections with the number of their documents, by name."""
    import json

    rows = connection.execute(
        "SELECT name, path, pattern, ignore, contexts, included,"
        " (SELECT count(*) FROM documents WHERE collection = name) FROM collections ORDER BY name"
    )
    return [
        Collection(name, path, pattern, json.loads(ignore), json.loads(contexts), bool(included), documents)
        for name, path, pattern, ignore, contexts, included, documents in rows
    ]


# -- by what a person calls it ---------------------------------------------------------------


def find(connection: sqlite3.Connection, ref: str) -> tuple[Stored, int | None, int | None]:
    """Resolve `REF[:line[:count]]` to a document, a line and a number of lines.

    REF is a docid (`#abc123`, the `#` may be missing), `qmd://collection/path` (also `//c/p` and `c/p`), a path on
    this machine inside a collection, a path in any collection, the end of one, or an address as older versions of
    tobi/qmd wrote it. What is literally there wins over a reading with a suffix. A docid names a content: of several
    copies, the first is meant.
    Raises QmdError("not_found"), which suggests near names, or QmdError("conflict"), which lists the candidates.
    """
    if not _can_be_a_name(ref):
        raise QmdError("not_found", f"There is no document {ref!a}.")
    for look in (_locate, _rewritten):
        for place, line, count in _readings(ref):
            found = look(connection, place)
            if len(found) > 1:
                names = ", ".join(uri(d.collection, d.path) for d in found[:_SUGGESTIONS])
                raise QmdError("conflict", f"{ref!r} is {len(found)} documents.", f"Say which: {names}.")
            if found:
                return found[0], line, count
    near = _near(connection, ref)
    raise QmdError("not_found", f"There is no document {ref!r}.", f"Did you mean {', '.join(near)}?" if near else "")


def index_of(ref: str) -> str | None:
    """The index that a `qmd://…?index=name` names."""
    _, mark, rest = ref.rpartition("?index=")
    return rest.partition(":")[0] or None if mark and ref.startswith("qmd:") else None


def _can_be_a_name(ref: str) -> bool:
    """Documents have names in UTF-8, of files; SQLite and the operating system refuse to look for others."""
    try:
        ref.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in ref


def _readings(ref: str) -> Iterator[tuple[str, int | None, int | None]]:
    """The ways to read a reference, most literal first."""
    trimmed = ref.strip().strip("\"'")
    name = index_of(trimmed)
    plain = trimmed.replace(f"?index={name}", "")
    for literal in dict.fromkeys((ref, trimmed, plain, _decoded(plain))):
        yield literal, None, None
        place, line = _numbered(literal)
        if line is not None:
            yield place, line, None
            before, first = _numbered(place)
            if first is not None:
                yield before, first, line


def _decoded(place: str) -> str:
    """`qmd://notes/my%20day.md`, as programs write addresses."""
    if "%" not in place or not place.startswith("qmd:"):
        return place
    from urllib.parse import unquote

    return unquote(place)


def _numbered(place: str) -> tuple[str, int | None]:
    """`a:12` -> (`a`, 12)."""
    before, _, digits = place.rpartition(":")
    if before and digits.isascii() and digits.isdigit() and len(digits) < 10:
        return before, int(digits)
    return place, None


def _locate(connection: sqlite3.Connection, place: str) -> list[Stored]:
    if "\0" in place:
        return []  # no name has a zero in it, and no system call takes one
    if place.startswith("#"):
        return _by_docid(connection, place[1:])
    if place.startswith(("qmd:", "//")):
        return _in_collection(connection, place.removeprefix("qmd:").lstrip("/"))
    if place.startswith(("/", "~/")):
        return _on_disk(connection, os.path.expanduser(place))
    place = place.removeprefix("./")
    return (
        _in_collection(connection, place)
        or _select(connection, "path = ?", place)
        or _by_docid(connection, place)
        or _select(connection, "substr(path, -length(?1)) = ?1", f"/{place}")
    )


def _select(connection: sqlite3.Connection, where: str, *values: str) -> list[Stored]:
    rows = connection.execute(SELECT + "WHERE " + where + " ORDER BY collection, path", values)
    return [Stored(*row) for row in rows]


def _in_collection(connection: sqlite3.Connection, place: str) -> list[Stored]:
    collection, _, path = place.partition("/")
    return _select(connection, "collection = ? AND path = ?", collection, path)


def _by_docid(connection: sqlite3.Connection, digits: str) -> list[Stored]:
    digits = digits.lower()
    if len(digits) < _DOCID_MIN or digits.strip("0123456789abcdef"):
        return []
    found = _select(connection, "hash >= ?1 AND hash < ?1 || 'g'", digits)
    return found[:1] if len({document.hash for document in found}) == 1 else found


def _on_disk(connection: sqlite3.Connection, place: str) -> list[Stored]:
    """The same file may be in two collections that overlap: the one whose directory is deepest is meant."""
    roots = [(row[1].rstrip("/") + "/", row[0]) for row in connection.execute("SELECT name, path FROM collections")]
    for absolute in dict.fromkeys((os.path.normpath(place), os.path.realpath(place))):
        for root, name in sorted(roots, key=lambda pair: -len(pair[0])):
            if absolute.startswith(root):
                found = _select(connection, "collection = ? AND path = ?", name, absolute[len(root) :])
                if found:
                    return found
    return []


def _rewritten(connection: sqlite3.Connection, place: str) -> list[Stored]:
    """The documents whose address was this one in older versions of tobi/qmd. Only whole addresses: no near names."""
    from qmd_daemon.store.handles import handle

    if place.startswith(("#", "/", "~")) and not place.startswith("//"):
        return []
    collection, _, path = place.removeprefix("qmd:").lstrip("/").partition("/")
    if not path or path != handle(path):
        return []
    rows = connection.execute(SELECT + "WHERE collection = ? ORDER BY path LIMIT ?", (collection, _NAMES_COMPARED))
    wanted = path.lower()  # the oldest wrote them small
    return [document for document in (Stored(*row) for row in rows) if handle(document.path).lower() == wanted]


def _near(connection: sqlite3.Connection, ref: str) -> list[str]:
    """Addresses of documents with a name like that of `ref`."""
    from difflib import get_close_matches

    *_, (place, _, _) = _readings(ref)
    named: dict[str, str] = {}
    rows = connection.execute("SELECT collection, path FROM documents ORDER BY id LIMIT ?", (_NAMES_COMPARED,))
    for collection, path in rows:
        named.setdefault(path.rpartition("/")[2].lower(), uri(collection, path))
    wanted = place.rstrip("/").rpartition("/")[2].lower()
    return [named[name] for name in get_close_matches(wanted, named, n=_SUGGESTIONS)]


# -- lists as one bound parameter: JSON, written by hand, because importing `json` costs more than the query ----


def numbers(ids: Iterable[int]) -> str:
    """For `IN (SELECT value FROM json_each(?))`."""
    return f"[{','.join(map(str, ids))}]"


def digests(hashes: Sequence[str]) -> str:
    """The same for hashes, which are hexadecimal and need no escaping."""
    return '["' + '","'.join(hashes) + '"]' if hashes else "[]"
