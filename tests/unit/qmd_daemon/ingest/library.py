"""Directories to index, an index to put them in, and an engine that is there at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from ipc.paths import Paths
from qmd_daemon.engine import fake
from qmd_daemon.engine.fake import INFO
from qmd_daemon.engine.model import ModelInfo, Priority
from qmd_daemon.ingest.collections import Collections
from qmd_daemon.ingest.indexer import update
from qmd_daemon.ingest.progress import Progress
from qmd_daemon.store.index import Index, Indexes
from qmd_daemon.store.lexical import Clause, LexicalQuery

MAX_BYTES = 100_000
# Long enough ago that a file's time tells whether it has changed.
OLD_NS = 1_700_000_000_000_000_000


def write_at(directory: Path, name: bytes) -> None:
    """An empty file with a name that need not be UTF-8."""
    with open(os.path.join(os.fsencode(directory), name), "wb"):
        pass


def write(path: Path, data: str | bytes, mtime_ns: int = OLD_NS) -> Path:
    """Write a file, with its directories, of that age."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


class Library:
    """An installation with a directory of notes."""

    def __init__(self, home: Path) -> None:
        self.notes = home / "notes"
        self.notes.mkdir()
        self.paths = Paths.from_environment({"QMD_HOME": str(home / "qmd")})
        self.events: list[tuple[str, Struct]] = []
        self.indexes = Indexes(self.paths, lambda topic, event: self.events.append((topic, event)))
        self.collections = Collections(self.paths, self.indexes)

    def config(self) -> str:
        """What index.yml says."""
        path = Path(self.paths.collections_file())
        return path.read_text() if path.exists() else ""

    def configure(self, text: str) -> None:
        write(Path(self.paths.collections_file()), text)

    async def index(self) -> Index:
        return await self.indexes.get("index")

    async def update(self, *names: str) -> dict[str, int]:
        """Update the index; the counts that are not zero."""
        self.progress = Progress()
        index = await self.index()
        await self.collections.sync(index)
        await update(index, names, MAX_BYTES, self.progress)
        return {name: count for name, count in self.progress.counts.items() if count}

    async def paths_stored(self) -> list[str]:
        index = await self.index()
        query = "SELECT collection || '/' || path FROM documents ORDER BY 1"
        return [row[0] for row in await index.database.read(lambda c: c.execute(query).fetchall())]

    async def found(self, word: str) -> int:
        """How many documents have a word."""
        index = await self.index()
        reader = index.lexical_reader()
        return len(await asyncio.to_thread(reader.search, LexicalQuery((Clause(word),)), 100))


class Engine:
    """The fake model, in this process. `before` is awaited before each embedding."""

    def __init__(self, info: ModelInfo | None = INFO) -> None:
        self.info = info
        self.asked: list[Sequence[str]] = []
        self.before: Callable[[Sequence[str]], object] = lambda _: None

    def model(self) -> ModelInfo | None:
        return self.info

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: Literal["query", "document"],
        priority: Priority = Priority.INDEXING,
        deadline_s: float | None = None,
        model: ModelInfo | None = None,
    ) -> NDArray[np.float32]:
        assert kind == "document"
        assert priority is Priority.INDEXING
        assert model == self.info
        self.asked.append(texts)
        waiting = self.before(texts)
        if waiting is not None:
            await waiting  # type: ignore[misc]
        return fake.vectors([fake.tokens(text) for text in texts])
