"""What a caller with a grant may ask, and what it may see of the answer.

A request is narrowed before anything is done: to the grant's index, and to its collections. What cannot be narrowed
is refused; what is allowed is listed, so that an operation of tomorrow is refused until somebody has thought of it.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ipc.errors import QmdError
from ipc.protocol import (
    AnyRequest,
    Cancel,
    Catalog,
    Cleanup,
    CollectionInfo,
    CollectionList,
    CollectionsReply,
    DocumentReply,
    Embed,
    EmbedIndex,
    EventReply,
    Expand,
    Get,
    GpuSample,
    IndexEvent,
    Job,
    JobCancel,
    JobEvent,
    JobGet,
    JobList,
    JobReply,
    JobsReply,
    Listen,
    ModelsEvent,
    ModelsLoad,
    ModelsUnload,
    Ping,
    Ps,
    Pull,
    Query,
    Reply,
    Request,
    Rerank,
    Search,
    Similar,
    Status,
    StatusReply,
    Update,
    VSearch,
)
from qmd_daemon.grants import Grant
from qmd_daemon.serve.answer import Answer, Emit, Handle
from qmd_daemon.store import documents

_READS = (
    *(Ping, Cancel, Search, VSearch, Query, Similar, Get, Status, CollectionList),
    *(Embed, Rerank, Expand, Ps, Catalog, JobGet, JobList, Listen),
)
# Of the whole index, or of its collections.
_WRITES = (Update, EmbedIndex, JobCancel)
# They reach beyond some collections, but not beyond the index and the models.
_KEEPS = (Cleanup, Pull, ModelsLoad, ModelsUnload)


async def answer(handle: Handle, request: AnyRequest, emit: Emit, grant: Grant) -> Answer:
    """Have a request answered within a grant. Raises QmdError: forbidden, and as the handler does."""
    asked = narrow(request, grant)

    async def told(reply: Reply) -> None:
        if not isinstance(reply, EventReply) or hears(reply.event, grant):
            await emit(shown(reply, grant))

    try:
        match asked:
            case Similar():
                # The document that it starts from has to be one that may be read, and no other of the same name.
                found = shown((await handle(Get(ref=asked.ref, index=asked.index, max_lines=1), told)).reply, grant)
                assert isinstance(found, DocumentReply)  # noqa: S101  (for the type checker)
                asked = replace(asked, ref=found.file)
            case JobGet() | JobCancel():
                shown((await handle(JobGet(job=asked.job), told)).reply, grant)
        given = await handle(asked, told)
    except QmdError as error:
        raise hide(error, grant) from None
    return given._replace(reply=shown(given.reply, grant))


def narrow(request: AnyRequest, grant: Grant) -> AnyRequest:
    """The request as the grant allows it. Raises QmdError("forbidden")."""
    allowed: list[type[Request]] = [*_READS, *([] if grant.read_only else _WRITES)]
    if not grant.read_only and not grant.collections:
        allowed += _KEEPS
    if type(request) not in allowed:
        op = type(request).__struct_config__.tag
        raise QmdError("forbidden", f"The {grant.kind} {grant.name!r} does not allow {op!r}.")
    index = getattr(request, "index", grant.index)
    if isinstance(request, Get | Similar):
        index = documents.index_of(request.ref) or index
    if index != grant.index:
        raise QmdError("forbidden", f"The {grant.kind} {grant.name!r} is for another index.")
    if isinstance(request, Search | VSearch | Query | Similar | Status | Update | EmbedIndex):
        return replace(request, collections=_collections(request.collections, grant))
    return request


def _collections(asked: list[str], grant: Grant) -> list[str]:
    """Those asked for, else all that the grant has. One that it has not is refused, whether or not there is one."""
    for name in asked:
        if not grant.covers(name):
            raise QmdError("forbidden", f"The {grant.kind} {grant.name!r} is not for the collection {name[:64]!r}.")
    return asked or list(grant.collections)


def shown(reply: Reply, grant: Grant) -> Reply:
    """What the grant may see of an answer. Raises QmdError("not_found") for what it may not see at all."""
    match reply:
        case JobReply() if not sees_job(reply.job, grant):
            raise _nothing()
        case JobsReply():
            return replace(reply, jobs=[job for job in reply.jobs if sees_job(job, grant)])
        case StatusReply():
            reply = replace(reply, jobs=[job for job in reply.jobs if sees_job(job, grant)])
    if not grant.collections:
        return reply
    match reply:
        case DocumentReply() if not grant.covers(reply.collection):
            raise _nothing()
        case CollectionsReply():
            return replace(reply, collections=_of(reply.collections, grant))
        case StatusReply():
            # What is counted is of its collections, for it was asked for these; the size is of all together.
            index = replace(reply.index, collections=_of(reply.index.collections, grant), size_bytes=0)
            return replace(reply, index=index)
    return reply


def sees_job(job: Job, grant: Grant) -> bool:
    """A job names files, so only one of the grant's own collections is seen; with all of them, also of none."""
    if not grant.collections:
        return job.index in {"", grant.index}
    return job.index == grant.index and bool(job.collections) and all(map(grant.covers, job.collections))


def hears(event: Struct, grant: Grant) -> bool:
    """Whether an event may be told: never lines of the log, which say what others do."""
    match event:
        case JobEvent():
            return sees_job(event.job, grant)
        case IndexEvent():
            return event.index == grant.index
    return isinstance(event, GpuSample | ModelsEvent)


def hide(error: QmdError, grant: Grant) -> QmdError:
    """Near names and candidates would tell what else there is."""
    return _nothing() if grant.collections and error.code in {"not_found", "conflict"} else error


def _of(collections: list[CollectionInfo], grant: Grant) -> list[CollectionInfo]:
    return [one for one in collections if grant.covers(one.name)]


def _nothing() -> QmdError:
    return QmdError("not_found", "There is nothing of that name for you.")
