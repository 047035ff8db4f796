"""What the daemon answers. Unknown fields are allowed, so that an old client reads a new daemon."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from ipc.protocol.events import GpuSample
from ipc.protocol.parts import CollectionInfo, EngineStatus, ErrorBody, Hit, IndexStatus, Job, ModelStatus, Stage
from ipc.protocol.requests import (
    Cancel,
    Catalog,
    Cleanup,
    CollectionAdd,
    CollectionChange,
    CollectionList,
    CollectionRemove,
    CollectionRename,
    ContextAdd,
    ContextRemove,
    Embed,
    EmbedIndex,
    Expand,
    Get,
    JobCancel,
    JobGet,
    JobList,
    Listen,
    ModelsLoad,
    ModelsUnload,
    ModelsUse,
    Ping,
    Ps,
    Pull,
    Query,
    Request,
    Rerank,
    Search,
    Shutdown,
    Similar,
    Status,
    Update,
    VSearch,
)
from ipc.protocol.terms import LineKind, Role


class Reply(Struct, frozen=True, kw_only=True):
    """`done` is false on every reply of a stream but the last."""

    id: str = ""
    ok: bool = True
    done: bool = True


class ErrorReply(Reply, frozen=True, kw_only=True):
    ok: bool = False
    error: ErrorBody


class Done(Reply, frozen=True, kw_only=True):
    """Nothing more to say."""


class Pong(Reply, frozen=True, kw_only=True):
    """`ready` is false while the daemon starts or drains; `state` says which, in words."""

    protocol: int
    version: str
    pid: int
    ready: bool
    state: str
    http: str = ""


class SearchReply(Reply, frozen=True, kw_only=True):
    """`stage` names the order shown. `notes` are sentences for the person: what was left out, and why."""

    results: list[Hit]
    stage: Literal["lexical", "vector", "fused", "reranked"]
    stages: list[Stage] = []
    notes: list[str] = []


class EmbedReply(Reply, frozen=True, kw_only=True):
    """`embeddings` is empty when they follow as a binary frame of `count` × `dimension` float32."""

    embeddings: list[list[float]] = []
    count: int
    dimension: int
    model: str
    encoding: Literal["json", "f32"] = "json"


class Judgement(Struct, frozen=True, kw_only=True):
    """A document by its place in the request. `score` is a probability, `raw` the model's own number."""

    index: int
    score: float
    raw: float


class RerankReply(Reply, frozen=True, kw_only=True):
    """Best first."""

    results: list[Judgement]
    model: str


class TypedLine(Struct, frozen=True, kw_only=True):
    """A line of the query language: `lex` words, `vec` a sentence, `hyde` an answer as it may be written."""

    kind: LineKind
    text: str


class ExpandReply(Reply, frozen=True, kw_only=True):
    lines: list[TypedLine]
    model: str


class PsReply(Reply, frozen=True, kw_only=True):
    """The models by role. `used_bytes`: what the worker takes, on the card or else of the memory."""

    models: list[ModelStatus]
    pid: int = 0
    used_bytes: int = 0
    queued: int = 0


class CatalogModel(Struct, frozen=True, kw_only=True):
    """A model of the catalog or of the user's own, and what there is of it. `part`: a fetch was interrupted.

    `size_bytes` is what it takes of the disk. `profiles` are those that use it.
    """

    name: str
    role: Role
    state: Literal["converted", "original", "part", "absent"]
    used: bool = False
    size_bytes: int = 0
    download_bytes: int = 0
    license: str = ""
    quantizations: list[str] = []
    source: str = ""
    profiles: list[str] = []


class CatalogReply(Reply, frozen=True, kw_only=True):
    """The models by role. `profile` is the one in use, `reason` why it is another one than was asked for."""

    models: list[CatalogModel]
    profile: str = ""
    reason: str = ""


class DocumentReply(Reply, frozen=True, kw_only=True):
    """Lines [first_line, first_line + n) of a document. `location` is its file on this machine."""

    docid: str
    file: str
    collection: str
    path: str
    title: str
    text: str
    first_line: int
    total_lines: int
    location: str = ""
    context: str = ""


class StatusReply(Reply, frozen=True, kw_only=True):
    version: str
    protocol: int
    pid: int
    uptime_s: float
    index: IndexStatus
    engine: EngineStatus
    jobs: list[Job] = []
    http: str = ""
    gpu: GpuSample | None = None
    tcp: str = ""


class CollectionsReply(Reply, frozen=True, kw_only=True):
    collections: list[CollectionInfo]


class PlaceReply(Reply, frozen=True, kw_only=True):
    """The address of a place, `/` for everywhere."""

    place: str


class JobReply(Reply, frozen=True, kw_only=True):
    job: Job


class JobsReply(Reply, frozen=True, kw_only=True):
    jobs: list[Job]


class EventReply(Reply, frozen=True, kw_only=True):
    """One event, of the type that EVENTS has for its topic. There may be topics that a client does not know."""

    topic: str
    event: Any


# What each request is answered with.
REPLIES: dict[type[Request], type[Reply]] = {
    Ping: Pong,
    Shutdown: Done,
    Cancel: Done,
    Search: SearchReply,
    VSearch: SearchReply,
    Query: SearchReply,
    Similar: SearchReply,
    Embed: EmbedReply,
    Rerank: RerankReply,
    Expand: ExpandReply,
    Ps: PsReply,
    Catalog: CatalogReply,
    ModelsLoad: PsReply,
    ModelsUnload: PsReply,
    ModelsUse: PsReply,
    Get: DocumentReply,
    Status: StatusReply,
    CollectionAdd: JobReply,
    CollectionList: CollectionsReply,
    CollectionRemove: Done,
    CollectionRename: Done,
    CollectionChange: Done,
    ContextAdd: PlaceReply,
    ContextRemove: PlaceReply,
    Update: JobReply,
    EmbedIndex: JobReply,
    Cleanup: JobReply,
    Pull: JobReply,
    JobGet: JobReply,
    JobList: JobsReply,
    JobCancel: JobReply,
    Listen: EventReply,
}
