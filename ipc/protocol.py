"""Every request, reply and event as a frozen struct. No I/O.

A request is one JSON object, `{"op": "query", "id": "7", "query": "…"}`; a reply is
`{"id": "7", "ok": true, …}` or `{"id": "7", "ok": false, "error": {…}}`. Additions only:
new fields have defaults, no field changes its type. Requests refuse unknown fields, so that a
mistyped one is told; replies and events allow them, so that an old client reads a new daemon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ipc.paths import DEFAULT_INDEX

PROTOCOL_VERSION = 1
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
MAX_TEXTS = 1000
MAX_TOP_K = 1000
# What a caller may ask to be served before: a person waiting, a program waiting, nobody waiting.
ClientClass = Literal["interactive", "agent", "bulk"]
# What a model is there for. Each role has one model, or none.
Role = Literal["embedding", "reranker", "expansion"]
# The typed lines of the query language: words, a sentence for the vectors, an answer as it may be written.
LineKind = Literal["lex", "vec", "hyde"]
MAX_LINES = 8
# How long a model stays in memory after its last use: seconds, or "30s", "5m", "2h"; 0 not at all, -1 for ever.
KeepAlive = float | Annotated[str, Meta(pattern=r"^(-1|\d+(\.\d+)?(s|m|h)?)$")]
TopK = Annotated[int, Meta(ge=1, le=MAX_TOP_K)]
QueryText = Annotated[str, Meta(max_length=10_000)]
FilterText = Annotated[str, Meta(max_length=1000)]


# -- requests ------------------------------------------------------------------------------


class Request(Struct, frozen=True, kw_only=True, tag_field="op", forbid_unknown_fields=True):
    """What every request carries. `deadline_s` counts from its arrival; work that is past it is dropped."""

    id: str = ""
    protocol: int = PROTOCOL_VERSION
    deadline_s: Annotated[float, Meta(gt=0, le=3600)] | None = None
    client: ClientClass = "interactive"


class IndexRequest(Request, frozen=True, kw_only=True):
    """A request about one index."""

    index: str = DEFAULT_INDEX


class Ping(Request, frozen=True, kw_only=True, tag="ping"):
    """Is anybody there? Answered at once, also while models load."""


class Shutdown(Request, frozen=True, kw_only=True, tag="shutdown"):
    """Drain and exit."""


class Cancel(Request, frozen=True, kw_only=True, tag="cancel"):
    """Stop the request of this sender whose id is `target`."""

    target: str


class SearchRequest(IndexRequest, frozen=True, kw_only=True):
    """What the three searches take. `top_k` may be written `limit`."""

    query: QueryText
    top_k: TopK = 10
    collections: list[str] = []
    min_score: float | None = None
    explain: bool = False
    intent: QueryText = ""
    expand: bool | None = None
    rerank: bool | None = None
    budget_ms: Annotated[int, Meta(ge=1)] | None = None
    stream: bool = False
    paths: Annotated[list[FilterText], Meta(max_length=100)] = []
    types: Annotated[list[FilterText], Meta(max_length=100)] = []
    after: FilterText = ""
    before: FilterText = ""
    where: Annotated[list[FilterText], Meta(max_length=100)] = []
    min_relevance: Annotated[float, Meta(ge=0, le=1)] | None = None
    candidates: Annotated[int, Meta(ge=1, le=200)] = 40
    pause_ms: Annotated[int, Meta(ge=0, le=10_000)] = 0


class Search(SearchRequest, frozen=True, kw_only=True, tag="search"):
    """Lexical: the words themselves."""


class VSearch(SearchRequest, frozen=True, kw_only=True, tag="vsearch"):
    """Vectors: the meaning."""


class Query(SearchRequest, frozen=True, kw_only=True, tag="query"):
    """Both, fused."""


class Similar(IndexRequest, frozen=True, kw_only=True, tag="similar"):
    """The documents nearest in meaning to one that is indexed, by the vectors that are stored: no model is needed."""

    ref: str
    top_k: TopK = 10
    collections: list[str] = []
    min_score: float | None = None


class Embed(Request, frozen=True, kw_only=True, tag="embed"):
    """Vectors for texts. `f32`: one binary frame follows the reply, row-major little-endian float32."""

    texts: list[str]
    kind: Literal["query", "document"] = "document"
    encoding: Literal["json", "f32"] = "json"
    keep_alive: KeepAlive | None = None


class Rerank(Request, frozen=True, kw_only=True, tag="rerank"):
    """How well each document answers the query, best first; the best `top_n`, or all."""

    query: QueryText
    documents: list[str]
    top_n: TopK | None = None
    keep_alive: KeepAlive | None = None


class Expand(Request, frozen=True, kw_only=True, tag="expand"):
    """The query in other words: at most one typed line for each of `kinds`."""

    query: QueryText
    kinds: Annotated[list[LineKind], Meta(min_length=1, max_length=MAX_LINES)] = field(
        default_factory=lambda: ["lex", "vec"]
    )
    keep_alive: KeepAlive | None = None


class Ps(Request, frozen=True, kw_only=True, tag="ps"):
    """The models: which there are, and which of them are in memory, where, and until when."""


class Catalog(Request, frozen=True, kw_only=True, tag="catalog"):
    """The models that are known, and what there is of each on this machine."""


class ModelsLoad(Request, frozen=True, kw_only=True, tag="models_load"):
    """Bring the models of these roles (all, if none is named) into memory, and keep them there."""

    roles: list[Role] = []
    keep_alive: KeepAlive | None = None


class ModelsUnload(Request, frozen=True, kw_only=True, tag="models_unload"):
    """Take the models of these roles (all, if none is named) out of memory, when they have done what they have."""

    roles: list[Role] = []


class Get(IndexRequest, frozen=True, kw_only=True, tag="get"):
    """A document by docid or path, `REF[:line[:count]]`; the two fields win over the suffix."""

    ref: str
    from_line: Annotated[int, Meta(ge=1)] | None = None
    max_lines: Annotated[int, Meta(ge=1)] | None = None


class Status(IndexRequest, frozen=True, kw_only=True, tag="status"):
    """The state of the daemon, its models and one index."""


class CollectionAdd(IndexRequest, frozen=True, kw_only=True, tag="collection_add"):
    """Remember a directory, then scan and embed it as a job."""

    path: str
    name: str = ""
    mask: str = ""


class CollectionList(IndexRequest, frozen=True, kw_only=True, tag="collection_list"):
    pass


class CollectionRemove(IndexRequest, frozen=True, kw_only=True, tag="collection_remove"):
    name: str


class CollectionRename(IndexRequest, frozen=True, kw_only=True, tag="collection_rename"):
    name: str
    new_name: str


class CollectionChange(IndexRequest, frozen=True, kw_only=True, tag="collection_change"):
    """`included`: searches that name no collection have it. `update`: run by a person before it is scanned.

    `ignore`: which of its files are left out, in place of what was so before; as in .gitignore.
    """

    name: str
    included: bool | None = None
    update: Annotated[str, Meta(max_length=4096)] | None = None
    ignore: Annotated[list[FilterText], Meta(max_length=1000)] | None = None


class ContextAdd(IndexRequest, frozen=True, kw_only=True, tag="context_add"):
    """Say what lies at a place: `/` (everywhere), `qmd://collection/path`, or an absolute path in a collection."""

    place: str
    text: Annotated[str, Meta(min_length=1, max_length=10_000)]


class ContextRemove(IndexRequest, frozen=True, kw_only=True, tag="context_remove"):
    place: str


class Update(IndexRequest, frozen=True, kw_only=True, tag="update"):
    """Start the job that scans the collections (all, if none is named) and indexes what changed."""

    collections: list[str] = []


class EmbedIndex(IndexRequest, frozen=True, kw_only=True, tag="embed_index"):
    """Start the job that makes the vectors that are missing (all of them with `force`), of all collections if none is
    named."""

    force: bool = False
    collections: list[str] = []


class Cleanup(IndexRequest, frozen=True, kw_only=True, tag="cleanup"):
    """Start the job that takes away what nobody needs any more, and compacts the index."""


class Pull(Request, frozen=True, kw_only=True, tag="pull"):
    """Start the job that fetches models: of a profile, or by name; none named: those that are used here."""

    names: Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=100)] = []


class JobGet(Request, frozen=True, kw_only=True, tag="job"):
    """One job. With `stream`, a reply at every progress, the last with `done`."""

    job: str
    stream: bool = False


class JobList(Request, frozen=True, kw_only=True, tag="jobs"):
    pass


class JobCancel(Request, frozen=True, kw_only=True, tag="job_cancel"):
    job: str


AnyRequest = (
    Ping
    | Shutdown
    | Cancel
    | Search
    | VSearch
    | Query
    | Similar
    | Embed
    | Rerank
    | Expand
    | Ps
    | Catalog
    | ModelsLoad
    | ModelsUnload
    | Get
    | Status
    | CollectionAdd
    | CollectionList
    | CollectionRemove
    | CollectionRename
    | CollectionChange
    | ContextAdd
    | ContextRemove
    | Update
    | EmbedIndex
    | Cleanup
    | Pull
    | JobGet
    | JobList
    | JobCancel
)


# -- what replies are made of ---------------------------------------------------------------


class Hit(Struct, frozen=True, kw_only=True):
    """One document of an answer, with its best place.

    `file` is its qmd:// address, `path` the part below the collection. `score` is between 0 and 1
    and orders the list; `relevance` is a calibrated probability where a model gives one.
    `matches` are character ranges [start, end) of `snippet`, which begins at line `line` of `total_lines`.
    """

    docid: str
    file: str
    collection: str
    path: str
    title: str
    line: int
    score: float
    snippet: str = ""
    matches: list[tuple[int, int]] = []
    context: str = ""
    relevance: float | None = None
    explain: Explain | None = None
    total_lines: int = 0


class Contribution(Struct, frozen=True, kw_only=True):
    """One ranked list's part in a hit: its rank there (from 1), its own score, its RRF term, and its share of the
    hit's score before reranking.
    """

    list: str
    rank: int
    score: float
    rrf: float
    share: float = 0.0


class Explain(Struct, frozen=True, kw_only=True):
    """Why a hit is where it is. When it was reranked, its score is `trust` × `fused` + (1 - `trust`) × `rerank`."""

    contributions: list[Contribution] = []
    matched_terms: list[str] = []
    fused: float | None = None
    rerank: float | None = None
    trust: float | None = None


class Stage(Struct, frozen=True, kw_only=True):
    """One stage of a search: how long it took, or why it did not run."""

    name: Literal["lexical", "expand", "vector", "fusion", "rerank"]
    ran: bool
    ms: float = 0.0
    count: int = 0
    reason: str = ""


class CollectionInfo(Struct, frozen=True, kw_only=True):
    name: str
    path: str
    pattern: str
    ignore: list[str] = []
    documents: int = 0
    contexts: dict[str, str] = {}
    included: bool = True


class Skipped(Struct, frozen=True, kw_only=True):
    """A file that was left out, and why, in words."""

    path: str
    reason: str


class JobFile(Struct, frozen=True, kw_only=True):
    """How far a job is with one of the files that it is at."""

    name: str
    done: int
    total: int


JobState = Literal["queued", "running", "done", "failed", "cancelled"]


class Job(Struct, frozen=True, kw_only=True):
    """A snapshot of a job. `total` is 0 until it is known. Times are seconds since the epoch.

    `counts` of an update: new, updated, unchanged, removed, skipped. Of an embed: documents, chunks. Of a cleanup:
    removed_documents, removed_contents, removed_chunks, freed_bytes. Of a fetch: fetched, present. `skipped` names
    the first hundred; the count is whole. A fetch counts bytes, and names the `files` of the model that it is at; it
    belongs to no index. `collections` are those that it is about; none means all.
    """

    id: str
    kind: Literal["update", "embed", "add", "cleanup", "fetch"]
    index: str
    state: JobState
    phase: str = ""
    done: int = 0
    total: int = 0
    current: str = ""
    counts: dict[str, int] = {}
    skipped: list[Skipped] = []
    error: ErrorBody | None = None
    created_at: float = 0.0
    started_at: float = 0.0
    ended_at: float = 0.0
    unit: Literal["", "bytes"] = ""
    files: list[JobFile] = []
    collections: list[str] = []


class IndexStatus(Struct, frozen=True, kw_only=True):
    """`pending`: documents whose vectors are still to be made."""

    name: str
    path: str
    documents: int = 0
    chunks: int = 0
    vectors: int = 0
    pending: int = 0
    size_bytes: int = 0
    updated_at: float = 0.0
    collections: list[CollectionInfo] = []


class ModelStatus(Struct, frozen=True, kw_only=True):
    """One role's model. `off`: not in memory; it is loaded on the next request.

    `reason`: why it failed or is missing, what is waited for, or why it is on this device. `copies` counts its
    objects in the worker. `until` is when it is taken out of memory unless it is used, in seconds since the
    epoch: 0 when it is not there, null when it stays.
    """

    role: Role
    name: str
    state: Literal["missing", "off", "loading", "ready", "failed"]
    size_bytes: int = 0
    device: str = ""
    compute_type: str = ""
    copies: int = 0
    until: float | None = 0.0
    reason: str = ""
    hint: str = ""


class EngineStatus(Struct, frozen=True, kw_only=True):
    """The model worker, and the embedding model. `off`: not started, or stopped when idle; it starts on need."""

    state: Literal["off", "starting", "ready", "failed", "no_model"]
    engine: str
    model: str = ""
    dimension: int = 0
    device: str = ""
    compute_type: str = ""
    reason: str = ""
    hint: str = ""
    pid: int = 0
    queued: int = 0
    restarts: int = 0
    models: list[ModelStatus] = []
    fallback: bool = False
    note: str = ""


class ErrorBody(Struct, frozen=True, kw_only=True):
    code: str
    message: str
    hint: str = ""


# -- replies --------------------------------------------------------------------------------


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


class CollectionsReply(Reply, frozen=True, kw_only=True):
    collections: list[CollectionInfo]


class PlaceReply(Reply, frozen=True, kw_only=True):
    """The address of a place, `/` for everywhere."""

    place: str


class JobReply(Reply, frozen=True, kw_only=True):
    job: Job


class JobsReply(Reply, frozen=True, kw_only=True):
    jobs: list[Job]


# -- events: first frame the topic, second the object ----------------------------------------

Topic = Literal["gpu", "job", "index", "models", "log"]
TOPICS: tuple[Topic, ...] = ("gpu", "job", "index", "models", "log")


class Card(Struct, frozen=True, kw_only=True):
    """One graphics card. None where the card or its driver does not tell."""

    index: int
    name: str
    utilization_ratio: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    memory_ours_bytes: int | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    clock_mhz: float | None = None


class GpuSample(Struct, frozen=True, kw_only=True):
    """One reading. `reason` says why there is no card. `worker_cpu`: 1.0 is one core busy.

    `machine_` is of all that runs on this machine. `ceiling_bytes`: what the worker may take of a card, or else of the
    memory; 0 without a limit. `queued`: texts that wait for it. `requests` are under way, by client class.
    """

    at: float
    cards: list[Card] = []
    reason: str = ""
    worker_pid: int = 0
    worker_cpu: float | None = None
    worker_memory_bytes: int | None = None
    machine_cpu_ratio: float | None = None
    machine_memory_used_bytes: int | None = None
    machine_memory_total_bytes: int | None = None
    ceiling_bytes: int = 0
    queued: int = 0
    requests: dict[str, int] = {}


class JobEvent(Struct, frozen=True, kw_only=True):
    job: Job


class IndexEvent(Struct, frozen=True, kw_only=True):
    """What is searchable has changed."""

    index: str
    seq: int


class ModelsEvent(Struct, frozen=True, kw_only=True):
    engine: EngineStatus


class LogEvent(Struct, frozen=True, kw_only=True):
    """A line of the daemon's log, without any query text."""

    at: float
    level: str
    event: str
    fields: dict[str, str] = field(default_factory=dict)


EVENTS: dict[Topic, type[Struct]] = {
    "gpu": GpuSample,
    "job": JobEvent,
    "index": IndexEvent,
    "models": ModelsEvent,
    "log": LogEvent,
}
# Parts of the daemon are handed this to tell the world; it never blocks and never raises.
Publish = Callable[[Topic, Struct], None]

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
}
