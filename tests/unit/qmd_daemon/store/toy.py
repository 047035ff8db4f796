"""A derived index that a test can see through, and kill at any moment.

It holds the hashes of documents in a few JSON files. Nothing in it is clever, so that what is tested is the mechanism
around it.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence

from qmd_daemon.store import changes
from qmd_daemon.store.documents import numbers

SHARDS = 3


class Killed(BaseException):
    """As by `kill -9`: nobody handles it."""


class Fuse:
    """Lets so many steps pass, then kills. Unlit, it lets all of them pass."""

    def __init__(self) -> None:
        self.left: int | None = None

    def step(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed


def truth(connection: sqlite3.Connection) -> dict[int, str]:
    return dict(connection.execute("SELECT id, hash FROM documents"))


class Toy:
    """One generation."""

    def __init__(self, path: str, files: Sequence[str], kind: ToyKind) -> None:
        self._path, self._kind = path, kind
        self._saves = 0
        self.items: dict[int, str] = {}
        for name in files:
            with open(os.path.join(path, name), encoding="utf-8") as file:
                self.items.update({int(key): value for key, value in json.load(file).items()})
            self._saves = max(self._saves, int(name.split("-")[1]))

    def put(self, connection: sqlite3.Connection, ids: Sequence[int]) -> None:
        self._kind.fuse.step()
        for item in ids:
            self.items.pop(item, None)
        rows = connection.execute(
            "SELECT id, hash FROM documents WHERE id IN (SELECT value FROM json_each(?))", (numbers(ids),)
        )
        self.items.update(dict(rows.fetchall()))

    def save(self) -> list[str]:
        self._saves += not self._kind.in_place
        names = [f"shard-{self._saves}-{number}" for number in range(SHARDS)]
        for number, name in enumerate(names):
            text = json.dumps({item: value for item, value in self.items.items() if item % SHARDS == number})
            with open(os.path.join(self._path, name), "w", encoding="utf-8") as file:
                file.write(text[: len(text) // 2])
                file.flush()
                self._kind.fuse.step()
                file.write(text[len(text) // 2 :])
        return names

    def count(self) -> int:
        return len(self.items)

    def worn(self) -> bool:
        return False

    def close(self) -> None:
        pass


class ToyKind:
    name = "toy"
    kind: changes.Kind = "document"

    def __init__(self, *, in_place: bool) -> None:
        self.in_place = in_place
        self.fuse = Fuse()
        self.format = 1

    def version(self, connection: sqlite3.Connection) -> str:
        return str(self.format)

    def open(self, connection: sqlite3.Connection, path: str, files: Sequence[str]) -> Toy:
        return Toy(path, files, self)

    def ids(self, connection: sqlite3.Connection, after: int, limit: int) -> list[int]:
        rows = connection.execute("SELECT id FROM documents WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
        return [row[0] for row in rows]

    def total(self, connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT count(*) FROM documents").fetchone()[0])
