"""What works with no daemon: lexical search, documents and status, read from the index as it lies on disk.

`qmd search` is this and little else: it imports tantivy and the standard library, opens the index read-only, also
while a daemon writes to it, and never writes. Answers are plain dictionaries in the shape of the structs of
`ipc.protocol`, whose import alone would cost half of such a process.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeVar

from ipc import project
from ipc.errors import QmdError
from ipc.paths import DEFAULT_INDEX, Paths
from qmd_daemon.store import documents, generations, meta, migrations, reading

T = TypeVar("T")
# A daemon that checkpoints holds the file for milliseconds.
_BUSY_S = 5.0


def search(
    paths: Paths,
    query: str,
    *,
    top_k: int = 10,
    collections: Sequence[str] = (),
    min_score: float | None = None,
    min_relevance: float | None = None,
    explain: bool = False,
    restrict: Mapping[str, Any] | None = None,
    index: str = DEFAULT_INDEX,
) -> dict[str, Any]:
    """Search the words of a query; the answer has the shape of a SearchReply.

    `restrict` has the fields of a SearchRequest that say which documents may be found: paths, types, after, before,
    where. Raises QmdError: invalid (the query, or one of these), not_found (no index, no such collection), unavailable
    (a damaged index).
    """
    from qmd_daemon.search import hits, syntax
    from qmd_daemon.store import filters

    parsed = syntax.parse(query)
    if not parsed.lexical:
        raise QmdError("invalid", "The query has no `lex:` line.", "`qmd vsearch` and `qmd query` take the others.")
    started = time.perf_counter()
    with _Reading(paths, index) as connection:
        wanted = filters.read(reading.chosen(connection, collections), **(restrict or {}))
        allowed = filters.documents(connection, wanted)
        found = _retry(lambda: hits.lexical(_reader(paths, index), parsed, top_k, wanted.collections, allowed))
        found = [one for one in found if min_score is None or one.score >= min_score]
        found, notes = hits.relevant_enough(found, min_relevance)
        results = hits.rows(connection, found, parsed, index, explain=explain)
    stage = {
        "name": "lexical",
        "ran": True,
        "ms": round((time.perf_counter() - started) * 1000, 2),
        "count": len(results),
        "reason": "",
    }
    return {"results": results, "stage": "lexical", "stages": [stage], "notes": notes}


def get(
    paths: Paths,
    ref: str,
    *,
    from_line: int | None = None,
    max_lines: int | None = None,
    index: str = DEFAULT_INDEX,
) -> dict[str, Any]:
    """A document, or some of its lines, in the shape of a DocumentReply.

    A path is also looked for from the working directory. Raises QmdError: not_found (why it is not indexed, or near
    names), conflict (with the candidates).
    """
    index = documents.index_of(ref) or index
    with _Reading(paths, index) as connection:
        if ref.startswith(("./", "../")):
            ref = os.path.join(os.getcwd(), ref)
        read = partial(reading.document, connection, from_line=from_line, max_lines=max_lines, index=index)
        try:
            return read(ref)
        except QmdError as error:
            if not ref.startswith(("#", "/", "~", "qmd:")):
                try:
                    return read(os.path.join(os.getcwd(), ref))
                except QmdError:
                    pass  # the first one explains it better
            if error.code != "not_found":
                raise
            from qmd_daemon.ingest import absent

            raise absent.explain(connection, ref, os.getcwd()) or error from None


def multi_get(
    paths: Paths,
    pattern: str,
    *,
    max_lines: int | None = None,
    max_bytes: int | None = None,
    index: str = DEFAULT_INDEX,
) -> tuple[Iterator[dict[str, Any]], list[QmdError]]:
    """The documents that a glob matches or a comma-separated list names, read one by one; and what was not found."""
    from qmd_daemon.store import listing

    connection = _Reading(paths, index).__enter__()  # `_closing` leaves it when the last row is read
    try:
        found, wrong = _chosen(connection, pattern)
    except BaseException:
        connection.close()
        raise
    rows = listing.bodies(connection, found, max_lines=max_lines, max_bytes=max_bytes, index=index)
    return _closing(connection, rows), wrong


def entries(paths: Paths, place: str, *, index: str = DEFAULT_INDEX) -> list[dict[str, Any]]:
    """The documents below `collection[/path]` (or `qmd://…`): file, docid, title, size_bytes, modified_at.

    Raises QmdError("not_found") when there is no such collection.
    """
    from qmd_daemon.store import listing

    index = documents.index_of(place) or index
    place = place.partition("?index=")[0]
    collection, _, below = place.removeprefix("qmd:").lstrip("/").partition("/")
    with _Reading(paths, index) as connection:
        reading.chosen(connection, [collection])
        return listing.entries(connection, collection, below, index)


def status(paths: Paths, *, index: str = DEFAULT_INDEX) -> dict[str, Any]:
    """What is in the index, in the shape of an IndexStatus."""
    with _Reading(paths, index) as connection:
        return reading.summary(connection, index, paths.index_dir(index))


def collections(paths: Paths, *, index: str = DEFAULT_INDEX) -> list[dict[str, Any]]:
    """The collections, in the shape of a list of CollectionInfo."""
    found: list[dict[str, Any]] = status(paths, index=index)["collections"]
    return found


def contexts(paths: Paths, *, index: str = DEFAULT_INDEX) -> list[tuple[str, str]]:
    """What is said about places, as (address, sentence): `/` (everywhere) first, then by collection and path."""
    with _Reading(paths, index) as connection:
        everywhere = meta.get(connection, "global_context")
        found = [("/", everywhere)] if everywhere else []
        for one in documents.collections(connection):
            said = sorted((prefix.strip("/"), text) for prefix, text in one.contexts.items())
            found += [(f"qmd://{one.name}/{prefix}".rstrip("/"), text) for prefix, text in said]
        return found


def configured(paths: Paths, *, index: str = DEFAULT_INDEX) -> list[dict[str, Any]]:
    """The collections as index.yml has them now: name, path, pattern, ignore, contexts, included, update.

    Raises QmdError("invalid") when the file cannot be read.
    """
    from qmd_daemon.ingest.index_file import IndexFile

    return [one._asdict() for one in IndexFile(paths.collections_file(index)).collections]


def asked_for(paths: Paths, *, index: str) -> dict[str, Any]:
    """What a project's index.yml asks for: hooks, outside, editor_uri; and whether that is `allowed`."""
    from qmd_daemon.ingest import trust
    from qmd_daemon.ingest.index_file import IndexFile

    file = IndexFile(paths.collections_file(index))
    return {**trust.gated(file)._asdict(), "allowed": trust.allows(paths, file)}


def grant_trust(paths: Paths, *, index: str) -> None:
    """Remember that the person allows what a project's index.yml asks for now."""
    from qmd_daemon.ingest import trust
    from qmd_daemon.ingest.index_file import IndexFile

    trust.grant(paths, IndexFile(paths.collections_file(index)))


def revoke_trust(paths: Paths, *, index: str) -> bool:
    """Forget what was allowed to a project; False when nothing was."""
    from qmd_daemon.ingest import trust

    return trust.revoke(paths, paths.collections_file(index))


def trusted(paths: Paths) -> list[tuple[str, str]]:
    """The index.yml files that are trusted, and whether they are as they were: trusted, changed or gone."""
    from qmd_daemon.ingest import trust
    from qmd_daemon.ingest.index_file import IndexFile

    def state(path: str) -> str:
        if not os.path.exists(path):
            return "gone"
        return "trusted" if trust.allows(paths, IndexFile(path)) else "changed since: not trusted"

    return [(path, state(path)) for path in trust.granted(paths)]


def create_token(paths: Paths, name: str, **limits: Any) -> str:
    """A new token. Raises QmdError: `invalid`, or `conflict` for a name that is taken."""
    from qmd_daemon import grants

    return grants.create(paths, name, **limits)[1]


def create_key(paths: Paths, name: str, file: str, **limits: Any) -> None:
    """A new key for ZeroMQ over TCP, written to `file`. Raises QmdError: as `create_token`, and for the file."""
    from qmd_daemon import keys

    keys.create(paths, name, file, **limits)


def revoke_grant(paths: Paths, name: str, kind: Literal["token", "key"]) -> bool:
    """Refuse a token or key from now on, by name or id; False when there is none."""
    from qmd_daemon import grants

    return grants.revoke(paths, name, kind)


def granted(paths: Paths, kind: Literal["token", "key"]) -> list[dict[str, Any]]:
    """The tokens or keys and what they allow; what they are compared with is left out."""
    from dataclasses import asdict

    from qmd_daemon import grants

    found = [one for one in grants.Grants(paths.grants_file).all() if one.kind == kind]
    now = time.time()
    return [
        {name: value for name, value in asdict(one).items() if name not in {"check", "kind"}}
        | {"expired": one.expired(now)}
        for one in found
    ]


def waste(paths: Paths, *, index: str = DEFAULT_INDEX) -> dict[str, int]:
    """What a cleanup would take away: documents, contents, chunks."""
    from qmd_daemon.store import waste as unneeded

    with _Reading(paths, index) as connection:
        return unneeded.count(connection)


def examine(paths: Paths, *, index: str = DEFAULT_INDEX) -> Iterator[Any]:
    """Yield the `Finding`s of `qmd doctor` that need no daemon, one by one: some need seconds."""
    from ipc.finding import Finding
    from qmd_daemon import config
    from qmd_daemon.checkup import models, places, settings

    yield from places.directories(paths)
    yield places.room(paths.data)
    yield places.clock(paths, index)
    yield from settings.collections(paths.collections_file(index))
    yield from _examine_index(paths, index)
    yield from settings.environment()
    try:
        configured = config.load(paths)
        there = os.path.exists(paths.config_file)
        yield Finding("configuration", "ok", paths.config_file if there else "All as it comes: there is no file.")
        yield from models.examine(configured, paths.models)
        yield models.card(configured)
    except QmdError as error:
        yield Finding("configuration", "fail", error.message, error.hint)


def http_address(paths: Paths) -> tuple[str, int] | None:
    """Where HTTP is to be served, None when nowhere. Raises QmdError("invalid") for a wrong configuration."""
    from qmd_daemon import config

    http = config.load(paths).http
    return (http.host, http.port) if http.enabled else None


def tcp_address(paths: Paths) -> str:
    """Where ZeroMQ is to be served to others, "" when nowhere. Raises QmdError("invalid") as `http_address` does."""
    from qmd_daemon import config

    return config.load(paths).zmq.listen


def _examine_index(paths: Paths, index: str) -> Iterator[Any]:
    from ipc.finding import Finding
    from qmd_daemon.checkup import index as checks

    try:
        with _Reading(paths, index) as connection:
            yield from checks.examine(connection, paths.index_dir(index))
    except QmdError as error:
        nothing = error.code == "not_found"
        yield Finding("database", "ok" if nothing else "fail", error.message, "" if nothing else error.hint)


def complete(
    paths: Paths, hits: Sequence[dict[str, Any]], *, bodies: bool = False, index: str = DEFAULT_INDEX
) -> list[dict[str, Any]]:
    """Hits with their `location` on this machine and, if asked for, the whole `body`; where it is gone, without."""
    from qmd_daemon.store import listing

    with _Reading(paths, index) as connection:
        roots = listing.places(connection)
        return [_completed(connection, hit, roots, bodies) for hit in hits]


def editor_uri(paths: Paths, *, index: str = DEFAULT_INDEX) -> str:
    """The template of links to the editor that index.yml has, or ""."""
    with _Reading(paths, index) as connection:
        return meta.get(connection, "editor_uri")


def _completed(
    connection: sqlite3.Connection, hit: dict[str, Any], roots: dict[str, str], bodies: bool
) -> dict[str, Any]:
    more = {"location": os.path.join(roots[hit["collection"]], hit["path"])} if hit["collection"] in roots else {}
    if bodies:
        row = connection.execute(
            "SELECT text FROM contents JOIN documents USING (hash) WHERE collection = ? AND path = ?",
            (hit["collection"], hit["path"]),
        ).fetchone()
        if row is not None:
            more["body"] = row[0]
    return {**hit, **more}


def _chosen(connection: sqlite3.Connection, pattern: str) -> tuple[list[documents.Stored], list[QmdError]]:
    from qmd_daemon.store import listing

    names = [part.strip() for part in pattern.split(",") if part.strip()]
    if listing.is_glob(pattern):
        from qmd_daemon.ingest import scan

        place = pattern.removeprefix("qmd:").lstrip("/") if pattern.startswith(("qmd:", "//")) else pattern
        if found := listing.matching(connection, scan.matcher(place)):
            return found, []
        return listing.named(connection, names)[0], []  # a name may hold a bracket, too
    return listing.named(connection, names)


def _closing(connection: sqlite3.Connection, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    try:
        yield from rows
    finally:
        connection.close()


class _Reading:
    """A connection that only reads, one snapshot for as long as it is open."""

    def __init__(self, paths: Paths, index: str) -> None:
        self._paths = paths
        self._local = project.is_local(index)
        self._path = paths.database(index)

    def __enter__(self) -> sqlite3.Connection:
        if not os.path.exists(self._path):
            raise QmdError("not_found", "Nothing is indexed yet.", "Add a directory: `qmd collection add PATH`.")
        try:
            mode = "mode=ro&immutable=1" if self._is_at_rest() else "mode=ro"
            self._connection = sqlite3.connect(f"file:{_quoted(self._path)}?{mode}", uri=True, timeout=_BUSY_S)
        except sqlite3.Error as error:
            raise _unreadable(error) from None
        if self._local:
            self._check_seal()
        try:
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.Error as error:
            self._connection.close()
            raise _unreadable(error) from None
        if version != len(migrations.STEPS):
            self._connection.close()
            hint = "`qmd update` brings it up to date." if version < len(migrations.STEPS) else "Update this program."
            raise QmdError("unavailable", f"The index has schema {version}, not {len(migrations.STEPS)}.", hint)
        self._connection.execute("BEGIN")
        return self._connection

    def _is_at_rest(self) -> bool:
        """On a disk that cannot be written SQLite has to be told that nobody writes: its -shm cannot be made there."""
        if os.access(os.path.dirname(self._path), os.W_OK):
            return False
        try:
            return os.path.getsize(f"{self._path}-wal") == 0
        except OSError:
            return True

    def _check_seal(self) -> None:
        from qmd_daemon.store import seal

        if not seal.holds(self._paths, self._connection):
            self._connection.close()
            hint = "`qmd update` builds it from the project's files."
            raise QmdError("unavailable", "The index in this project was not made by you.", hint)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._connection.close()
        if isinstance(error, sqlite3.Error):
            raise _unreadable(error) from None


def _unreadable(error: sqlite3.Error) -> QmdError:
    return QmdError("unavailable", f"The index cannot be read: {error}.", "`qmd update` says what to do.")


def _reader(paths: Paths, index: str) -> Any:
    from qmd_daemon.store.lexical import LexicalReader

    current = generations.current(os.path.join(paths.index_dir(index), "lexical"))
    if current is None:
        raise QmdError("unavailable", "The lexical index is missing.", "`qmd update` builds it again.")
    return LexicalReader(current)


def _retry(work: Callable[[], T]) -> T:
    """Once more when the index was replaced between finding and opening it; then it is damaged."""
    try:
        return work()
    except (ValueError, OSError):
        pass
    try:
        return work()
    except (ValueError, OSError) as error:
        raise QmdError(
            "unavailable", f"The lexical index cannot be read: {error}.", "`qmd update` builds it again."
        ) from None


def _quoted(path: str) -> str:
    """A path in an SQLite URI: these three characters would end it or mean something."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
