"""Collections: directories that a person has named, kept in index.yml and copied into the index."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from ipc.errors import QmdError
from ipc.paths import Paths
from ipc.protocol import CollectionInfo
from qmd_daemon.ingest import contexts, scan, trust
from qmd_daemon.ingest.index_file import Configured, IndexFile
from qmd_daemon.store import changes, documents, intake, meta
from qmd_daemon.store.index import Index, Indexes

T = TypeVar("T")
_NAME_MAX = 64
# Would be read as something else in `qmd://name/path:12` or in a shell.
_NOT_IN_NAMES = "/\\:?#*\"'`<>|"
_CONTENTS_AT_ONCE = 200


class Collections:
    """Adds, lists, changes and removes collections, and what is said about them. One change at a time."""

    def __init__(self, paths: Paths, indexes: Indexes) -> None:
        self._paths = paths
        self._indexes = indexes
        self._changing = asyncio.Lock()

    async def add(self, index: str, path: str, name: str = "", mask: str = "") -> str:
        """Remember a directory; the name it has got. `path` is absolute or begins with `~`.

        Raises QmdError: `not_found` and `invalid` for the path or the name, `conflict` when the name is taken or the
        same path is there with the same mask, `forbidden` for one outside a project that is not trusted.
        """
        return await self._edit(index, partial(_add, paths=self._paths, path=path, name=name, mask=mask))

    async def list(self, index: str) -> list[CollectionInfo]:
        """The collections as index.yml has them now, with the documents that the index has of each."""
        opened = await self._indexes.get(index)
        await self.sync(opened)
        found = await opened.database.read(documents.collections)
        return [CollectionInfo(**one._asdict()) for one in found]

    async def remove(self, index: str, name: str) -> None:
        """Forget a collection and remove its documents; the files stay.

        Raises QmdError("not_found") when there is none of that name.
        """
        opened = await self._indexes.get(index)
        await self._edit(index, lambda file: file.remove(name))
        await remove_orphans(opened)
        await drop_unused(opened)
        await opened.catch_up()

    async def rename(self, index: str, name: str, new_name: str) -> None:
        """Give a collection another name. Nothing is read or embedded again.

        Raises QmdError: `not_found`, `conflict` when the new name is taken, `invalid` when it is none.
        """
        opened = await self._indexes.get(index)
        async with self._changing:
            await self._sync(opened)
            await asyncio.to_thread(self._edited, index, partial(_rename, name=name, new_name=new_name))
            file = await asyncio.to_thread(self._read, index)
            await opened.database.write(partial(_move, name=name, new_name=new_name, file=file))
        await opened.catch_up()

    async def change(
        self, index: str, name: str, included: bool | None, update: str | None, ignore: Sequence[str] | None = None
    ) -> None:
        """Change whether searches of all collections have it, what is run before it is scanned, what is left out.

        Raises QmdError("not_found"), and "invalid" for patterns that mean nothing.
        """
        if ignore is not None:
            scan.ignorer(ignore)
        await self._edit(index, lambda file: file.change(name, included=included, update=update, ignore=ignore))

    async def set_context(self, index: str, place: str, text: str) -> str:
        """Say what lies at a place, or ("") take it back; its address.

        Raises QmdError: `not_found` for a place in no collection, and when there is nothing to take back.
        """
        return await self._edit(index, partial(contexts.put, place=place, text=text))

    async def _edit(self, index: str, edit: Callable[[IndexFile], T]) -> T:
        opened = await self._indexes.get(index)
        async with self._changing:
            result = await asyncio.to_thread(self._edited, index, edit)
            await self._sync(opened)
            return result

    def _edited(self, index: str, edit: Callable[[IndexFile], T]) -> T:
        """Change the file and save it. What the person asks us to write is allowed, if what was there before is."""
        file = IndexFile(self._paths.collections_file(index))
        allowed = trust.allows(self._paths, file)
        result = edit(file)
        file.save()
        if allowed:
            trust.grant(self._paths, file)
        return result

    def _read(self, index: str) -> IndexFile:
        return trust.restrict(self._paths, IndexFile(self._paths.collections_file(index)))

    async def sync(self, index: Index) -> None:
        """Copy index.yml into the index. Raises QmdError("invalid") when it cannot be read."""
        async with self._changing:
            await self._sync(index)

    async def _sync(self, index: Index) -> None:
        file = await asyncio.to_thread(self._read, index.name)
        if not await index.database.read(partial(_in_step, file=file)):
            await index.database.write(partial(_copy, file=file))


async def remove_orphans(index: Index) -> int:
    """Remove the documents of collections that are no more; how many."""
    removed = 0
    while ids := await index.database.read(partial(intake.orphans, limit=_CONTENTS_AT_ONCE)):
        await index.database.write(partial(intake.remove, ids=ids))
        removed += len(ids)
    return removed


async def drop_unused(index: Index) -> None:
    """Drop the contents that no document has any more."""
    unused = await index.database.read(intake.unused)
    for start in range(0, len(unused), _CONTENTS_AT_ONCE):
        await index.database.write(partial(intake.drop, hashes=unused[start : start + _CONTENTS_AT_ONCE]))


def _add(file: IndexFile, paths: Paths, path: str, name: str, mask: str) -> str:
    if not _can_be_stored(path):
        raise QmdError("invalid", f"Collection path is not UTF-8: {path!a}.", "Rename the directory.")
    expanded = os.path.expanduser(path)
    if not os.path.isabs(expanded):
        raise QmdError("invalid", f"Collection path is not absolute: {path!r}.", "Give it from the root, or from `~`.")
    place = os.path.normpath(expanded)
    resolved = os.path.realpath(place)
    if not os.path.exists(place):
        raise QmdError(
            "not_found",
            f"Collection path does not exist: {path}. Resolved: {resolved}.",
            "Provide an existing directory.",
        )
    if not os.path.isdir(place):
        raise QmdError(
            "invalid", f"Collection path is not a directory: {path}. Resolved: {resolved}.", "Choose a directory."
        )
    mask = mask.strip() or scan.DEFAULT_MASK
    scan.matcher(mask)  # complains
    name = _checked(name) if name else _default_name(place)
    _check_new(file.collections, name, place, mask)
    allowed = trust.allows(paths, file)
    file.add(name, place, mask)
    if not allowed and name in trust.gated(file).outside:
        hint = "`qmd trust` shows what else its index.yml asks for, and allows it."
        raise QmdError("forbidden", f"{place} is outside a project that is not trusted.", hint)
    return name


def _check_new(there: list[Configured], name: str, place: str, mask: str) -> None:
    for other in there:
        if other.path == place and other.pattern == mask:
            raise QmdError(
                "conflict",
                f"{place} is collection {other.name!r} already.",
                "`qmd update` looks for what is new in it.",
            )
    if any(other.name == name for other in there):
        raise QmdError("conflict", f"There is a collection {name!r} already.", "Choose another name with `--name`.")


def _rename(file: IndexFile, name: str, new_name: str) -> None:
    file.named(name)
    if any(other.name == new_name for other in file.collections):
        raise QmdError("conflict", f"Collection name already exists: {new_name}.", "Choose another one.")
    file.rename(name, _checked(new_name))


def _checked(name: str) -> str:
    if len(name) > _NAME_MAX or name != _default_name(name):
        raise QmdError("invalid", f"{name!r} is not a collection name.", "Use letters, digits, '.', '_' and '-'.")
    return name


def _default_name(path: str) -> str:
    """The last part of a path, without what a name must not have."""
    base = path if "/" not in path else os.path.basename(path)
    kept = "".join(
        "-" if character in _NOT_IN_NAMES or character.isspace() or not character.isprintable() else character
        for character in base
    )
    return kept[:_NAME_MAX].strip("-") or "root"


def _can_be_stored(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in path


def _in_step(connection: sqlite3.Connection, file: IndexFile) -> bool:
    there = {collection.name: collection[:-1] for collection in documents.collections(connection)}
    wanted = {collection.name: collection[:-1] for collection in file.collections}
    return there == wanted and all(meta.get(connection, key) == value for key, value in _facts(file).items())


def _copy(connection: sqlite3.Connection, file: IndexFile) -> None:
    connection.execute("DELETE FROM collections")
    connection.executemany(
        "INSERT OR REPLACE INTO collections (name, path, pattern, ignore, contexts, included)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [
            (c.name, c.path, c.pattern, json.dumps(c.ignore), json.dumps(c.contexts), int(c.included))
            for c in file.collections
        ],
    )
    for key, value in _facts(file).items():
        meta.put(connection, key, value)


def _facts(file: IndexFile) -> dict[str, str]:
    """What holds for all collections."""
    return {"global_context": file.global_context, "editor_uri": file.editor_uri}


def _move(connection: sqlite3.Connection, name: str, new_name: str, file: IndexFile) -> None:
    """The documents of one collection become the other's; what is derived from them learns of it."""
    rows = connection.execute("UPDATE documents SET collection = ? WHERE collection = ? RETURNING id", (new_name, name))
    changes.append(connection, "document", [row[0] for row in rows], removed=False)
    _copy(connection, file)
