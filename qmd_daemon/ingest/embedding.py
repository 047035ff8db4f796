"""Making the vectors that are missing.

What is done is stored content by content, each in one transaction with its chunks, so that nothing is lost or half
done when the job is cancelled, the worker dies or the daemon is killed: the next embedding makes the rest.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ipc.errors import QmdError
from qmd_daemon.engine.model import ModelInfo, Priority
from qmd_daemon.ingest.chunk import Chunker, Cut
from qmd_daemon.ingest.progress import Progress
from qmd_daemon.store import chunks, reading
from qmd_daemon.store.index import Index

# Texts sent to the worker at once. Two lanes: while one stores, the worker has the other's.
_WINDOW_TEXTS = 128
_LANES = 2
# Contents read from the database at once; each may be 10 MB.
_READ_AT_ONCE = 16
_CATCH_UP_CHUNKS = 2000
_FORGET_AT_ONCE = 500
# The worker's queue is full of other people's texts: how often to ask again, and after how long.
_TRIES = 120
_RETRY_S = 0.5


class Embedder(Protocol):
    """What is needed of the engine."""

    def model(self) -> ModelInfo | None: ...

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: Literal["query", "document"],
        priority: Priority = ...,
        deadline_s: float | None = None,
        model: ModelInfo | None = None,
    ) -> NDArray[np.float32]: ...


class _Content(NamedTuple):
    source: chunks.Source
    cuts: list[Cut]


async def embed(
    index: Index, engine: Embedder, progress: Progress, *, force: bool = False, collections: Sequence[str] = ()
) -> None:
    """Chunk and embed the contents that are not yet done with the model in use, or (`force`) all of them.

    Those of all collections, if none is named. Raises QmdError: no_model when there is none, not_found for a name that
    is no collection, and what the engine raises: conflict, when another model is used meanwhile.
    """
    await index.database.read(partial(reading.chosen, names=collections))
    model = engine.model()
    if model is None:
        raise QmdError("no_model", "There is no embedding model.", "`qmd check --download` gets one.")
    chunker = await asyncio.to_thread(Chunker, model)
    fingerprint = f"{model.fingerprint}+{chunker.cut_id}"
    space = await index.database.write(
        partial(chunks.prepare, fingerprint=fingerprint, model=model.name, dimension=model.dimension)
    )
    await index.catch_up(save=False)
    while force and await index.database.write(_forget(space.id, collections)):
        pass
    progress.count("documents", 0)
    progress.count("chunks", 0)
    while hashes := await index.database.read(partial(chunks.pending, space=space.id, collections=collections)):
        progress.begin("embed", len(hashes))
        await _Embedding(index, engine, progress, model=model, chunker=chunker, space=space, hashes=hashes).run()
    # Another model's vectors were searched until now. In one transaction these take their place, if they are all there.
    await index.database.write(partial(chunks.activate, space=space.id))
    await index.catch_up()


def _forget(space: int, collections: Sequence[str] = ()) -> Callable[[sqlite3.Connection], bool]:
    return partial(chunks.forget, space=space, limit=_FORGET_AT_ONCE, collections=collections)


class _Embedding:
    """One pass over contents that are pending."""

    def __init__(
        self,
        index: Index,
        engine: Embedder,
        progress: Progress,
        *,
        model: ModelInfo,
        chunker: Chunker,
        space: chunks.Space,
        hashes: Sequence[str],
    ) -> None:
        self._index = index
        self._embed = partial(engine.embed, kind="document", priority=Priority.INDEXING, model=model)
        self._chunker = chunker
        self._space = space
        self._hashes = deque(hashes)
        self._progress = progress
        self._prepared: deque[_Content] = deque()
        self._preparing = asyncio.Lock()
        self._unseen = 0

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_LANES):
                    group.create_task(self._lane())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None  # the first lane to fail has stopped the other

    async def _lane(self) -> None:
        while contents := await self._next():
            texts = [cut.text for content in contents for cut in content.cuts]
            vectors = [
                await self._vectors(texts[at : at + _WINDOW_TEXTS]) for at in range(0, len(texts), _WINDOW_TEXTS)
            ]
            blobs = [blob for some in vectors for blob in some]
            await self._index.database.write(partial(_store, space=self._space.id, contents=contents, blobs=blobs))
            self._progress.count("documents", len(contents))
            self._progress.step(len(contents), contents[-1].source.path)
            self._unseen += len(texts)
            if self._unseen >= _CATCH_UP_CHUNKS:
                self._unseen = 0
                await self._index.catch_up(save=False)

    async def _next(self) -> list[_Content]:
        """Whole contents that fill a window, one at least; none when all are done."""
        async with self._preparing:
            taken: list[_Content] = []
            texts = 0
            while texts < _WINDOW_TEXTS:
                if not self._prepared and not await self._prepare():
                    break
                if taken and texts + len(self._prepared[0].cuts) > _WINDOW_TEXTS:
                    break
                taken.append(self._prepared.popleft())
                texts += len(taken[-1].cuts)
            return taken

    async def _prepare(self) -> bool:
        """Cut some more contents. False when there are none left."""
        while self._hashes and not self._prepared:
            some = [self._hashes.popleft() for _ in range(min(_READ_AT_ONCE, len(self._hashes)))]
            sources = await self._index.database.read(partial(chunks.sources, hashes=some))
            self._prepared += await asyncio.to_thread(self._cut, sources)
        return bool(self._prepared)

    def _cut(self, sources: Sequence[chunks.Source]) -> list[_Content]:
        return [_Content(source, self._chunker.cut(source)) for source in sources]

    async def _vectors(self, texts: Sequence[str]) -> list[bytes | None]:
        """float16, as they are stored."""
        found = await self._embed_when_there_is_room(texts)
        self._progress.count("chunks", len(texts))
        self._progress.step(0, self._progress.current)
        usable = np.isfinite(found).all(axis=1) & (np.linalg.norm(found, axis=1) > 0)
        return [row.tobytes() if good else None for row, good in zip(found.astype("<f2"), usable.tolist(), strict=True)]

    async def _embed_when_there_is_room(self, texts: Sequence[str]) -> NDArray[np.float32]:
        for _ in range(_TRIES):
            try:
                return await self._embed(texts)
            except QmdError as error:
                if error.code != "overloaded":
                    raise
            await asyncio.sleep(_RETRY_S)
        return await self._embed(texts)


def _store(
    connection: sqlite3.Connection, space: int, contents: Sequence[_Content], blobs: Sequence[bytes | None]
) -> None:
    first = 0
    for content in contents:
        last = first + len(content.cuts)
        chunks.put(connection, space, content.source.hash, [cut.span for cut in content.cuts], blobs[first:last])
        first = last
