"""What each operation does. Knows no transport: a request comes in, replies go out.

To add an operation: its structs in `ipc/protocol/`, a case here.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec

from ipc.errors import QmdError
from ipc.protocol import (
    PROTOCOL_VERSION,
    AnyRequest,
    Catalog,
    Cleanup,
    CollectionAdd,
    CollectionChange,
    CollectionList,
    CollectionRemove,
    CollectionRename,
    CollectionsReply,
    ContextAdd,
    ContextRemove,
    DocumentReply,
    Done,
    Embed,
    EmbedIndex,
    EventReply,
    Expand,
    Get,
    GpuSample,
    Job,
    JobCancel,
    JobGet,
    JobList,
    JobReply,
    JobsReply,
    Listen,
    ModelsLoad,
    ModelsUnload,
    ModelsUse,
    PlaceReply,
    Ps,
    Pull,
    Query,
    Reply,
    Rerank,
    Search,
    Similar,
    Status,
    StatusReply,
    Update,
    VSearch,
)
from qmd_daemon.engine.supervisor import Engine
from qmd_daemon.ingest.collections import Collections
from qmd_daemon.ingest.jobs import Jobs
from qmd_daemon.search.pipeline import Searcher
from qmd_daemon.serve.choosing import Chooser
from qmd_daemon.serve.dispatch import Answer, Emit
from qmd_daemon.serve.feed import Feed
from qmd_daemon.serve.lifecycle import Lifecycle
from qmd_daemon.serve.models import PRIORITIES, Models
from qmd_daemon.serve.pulling import Puller
from qmd_daemon.serve.stock import Stock
from qmd_daemon.store import documents, reading
from qmd_daemon.store.index import Indexes

# Who listens to a topic on which nothing happens waits in rounds of so long.
_SILENCE_S = 60.0


class Handlers:
    """Delegates each request to the part that knows. Raises QmdError for what a person should read."""

    def __init__(
        self,
        *,
        lifecycle: Lifecycle,
        indexes: Indexes,
        engine: Engine,
        chooser: Chooser,
        jobs: Jobs,
        collections: Collections,
        searcher: Searcher,
        puller: Puller,
        stock: Stock,
        feed: Feed,
        gpu: Callable[[], GpuSample | None],
    ) -> None:
        self._lifecycle = lifecycle
        self._indexes = indexes
        self._engine = engine
        self._models = Models(engine, chooser)
        self._jobs = jobs
        self._collections = collections
        self._searcher = searcher
        self._puller = puller
        self._stock = stock
        self._feed = feed
        self._gpu = gpu

    async def handle(self, request: AnyRequest, emit: Emit) -> Answer:  # noqa: PLR0911 - one for each kind of request
        """Do what is asked. `emit` takes the replies of a stream that come before the last."""
        match request:
            case Search() | VSearch() | Query():
                early = emit if request.stream else None
                return Answer(await self._searcher.search(request, early, PRIORITIES[request.client]))
            case Embed() | Rerank() | Expand() | Ps() | ModelsLoad() | ModelsUnload() | ModelsUse():
                return await self._models.handle(request)
            case Catalog():
                return Answer(await self._stock.catalog())
            case Similar():
                return Answer(await self._searcher.similar(request))
            case Get():
                return Answer(await self._get(request))
            case Status():
                return Answer(await self._status(request))
            case CollectionAdd() | CollectionList() | CollectionRemove() | CollectionRename() | CollectionChange():
                return Answer(await self._collection(request))
            case ContextAdd() | ContextRemove():
                return Answer(await self._context(request))
            case Listen():
                return await self._listen(request, emit)
            case _:
                return Answer(await self._job(request, emit))

    async def _listen(self, request: Listen, emit: Emit) -> Answer:
        """Every event as a reply. Ends with the daemon only, or with whoever listens."""
        async for happened in self._feed.listen(_SILENCE_S):
            if happened and (not request.topics or happened.topic in request.topics):
                await emit(EventReply(topic=happened.topic, event=happened.event, done=False))
        raise QmdError("unavailable", "The daemon is stopping.", "Try again in a moment.")

    async def _get(self, request: Get) -> DocumentReply:
        index = await self._indexes.get(documents.index_of(request.ref) or request.index)
        found = await index.database.read(
            lambda connection: reading.document(
                connection, request.ref, request.from_line, request.max_lines, index.name
            )
        )
        return msgspec.convert(found, DocumentReply)

    async def _status(self, request: Status) -> StatusReply:
        index = await self._indexes.get(request.index)
        return StatusReply(
            version=self._lifecycle.version,
            protocol=PROTOCOL_VERSION,
            pid=os.getpid(),
            uptime_s=round(self._lifecycle.uptime_s, 3),
            index=await index.status(request.collections),
            engine=self._engine.status(),
            jobs=self._jobs.list(),
            http=self._lifecycle.http,
            tcp=self._lifecycle.tcp,
            gpu=self._gpu(),
        )

    async def _collection(
        self, request: CollectionAdd | CollectionList | CollectionRemove | CollectionRename | CollectionChange
    ) -> Reply:
        match request:
            case CollectionAdd():
                name = await self._collections.add(request.index, request.path, request.name, request.mask)
                return JobReply(job=self._jobs.start("add", request.index, collections=[name]))
            case CollectionList():
                return CollectionsReply(collections=await self._collections.list(request.index))
            case CollectionRemove():
                await self._collections.remove(request.index, request.name)
            case CollectionRename():
                await self._collections.rename(request.index, request.name, request.new_name)
            case CollectionChange():
                await self._collections.change(
                    request.index, request.name, request.included, request.update, request.ignore
                )
        return Done()

    async def _context(self, request: ContextAdd | ContextRemove) -> Reply:
        text = request.text if isinstance(request, ContextAdd) else ""
        return PlaceReply(place=await self._collections.set_context(request.index, request.place, text))

    async def _job(self, request: AnyRequest, emit: Emit) -> Reply:
        match request:
            case Update():
                job = self._jobs.start("update", request.index, collections=request.collections)
            case EmbedIndex():
                job = self._jobs.start("embed", request.index, force=request.force, collections=request.collections)
            case Cleanup():
                job = self._jobs.start("cleanup", request.index)
            case Pull():
                job = self._jobs.start("fetch", "", names=self._puller.check(request.names))
            case JobGet() if request.stream:
                job = await self._watch(request.job, emit)
            case JobGet():
                job = self._jobs.get(request.job)
            case JobCancel():
                job = self._jobs.cancel(request.job)
            case JobList():
                return JobsReply(jobs=self._jobs.list())
            case _:
                raise QmdError("unknown_op", f"Nothing here does {type(request).__struct_config__.tag!r}.")
        return JobReply(job=job)

    async def _watch(self, job_id: str, emit: Emit) -> Job:
        """Every progress as a reply; the final state is returned."""
        job = self._jobs.get(job_id)
        async for job in self._jobs.watch(job_id):
            if job.state in {"queued", "running"}:
                await emit(JobReply(job=job, done=False))
        return job
