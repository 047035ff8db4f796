"""Why a file that a person names is not in the index: ignored, hidden, of another kind, or new."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator

from pathspec import GitIgnoreSpec

from ipc.errors import QmdError
from qmd_daemon.ingest import scan
from qmd_daemon.store import documents


def explain(connection: sqlite3.Connection, ref: str, cwd: str) -> QmdError | None:
    """The error to tell about a reference that no document answers to; None where there is no such file either."""
    for collection, path in _readings(documents.collections(connection), ref, cwd):
        if os.path.isfile(os.path.join(collection.path, path)):
            return _reason(collection, path)
    return None


def _readings(
    collections: list[documents.Collection], ref: str, cwd: str
) -> Iterator[tuple[documents.Collection, str]]:
    """The files that a reference may mean, as a collection and a path in it."""
    place = ref.partition("?index=")[0]
    absolute = os.path.normpath(os.path.join(cwd, os.path.expanduser(place)))
    virtual = place.removeprefix("qmd:").lstrip("/") if place.startswith(("qmd:", "//")) else place
    name, _, below = virtual.partition("/")
    for each in collections:
        root = each.path.rstrip("/") + "/"
        if absolute.startswith(root):
            yield each, absolute[len(root) :]
        if each.name == name and below and ".." not in below.split("/"):
            yield each, below
        if not place.startswith(("/", "qmd:", "~")) and ".." not in place.split("/"):
            yield each, place


def _reason(collection: documents.Collection, path: str) -> QmdError:
    address = documents.uri(collection.name, path)
    rule = next((rule for rule in collection.ignore if _ignores(rule, path)), None)
    if rule is not None:
        hint = f"Take it out of `ignore` in index.yml, then `qmd update -c {collection.name}`."
        return QmdError("not_found", f"{address} is excluded by ignore rule {rule!r}.", hint)
    parts = path.split("/")
    if any(part.startswith(".") for part in parts) or scan.VENDORED.intersection(parts[:-1]):
        return QmdError("not_found", f"{address} is not indexed: it is hidden, or in a directory of generated files.")
    if not scan.matcher(collection.pattern)(path):
        what = f"it does not match the collection's pattern, {collection.pattern}"
        return QmdError("not_found", f"{address} is not indexed: {what}.")
    return QmdError("not_found", f"{address} is not indexed yet.", f"`qmd update -c {collection.name}` indexes it.")


def _ignores(rule: str, path: str) -> bool:
    return bool(GitIgnoreSpec.from_lines([rule]).match_file(path))
