"""What a client may ask. Unknown fields are refused, so that a mistyped one is told."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ipc.paths import DEFAULT_INDEX
from ipc.protocol.terms import (
    MAX_LINES,
    PROTOCOL_VERSION,
    ClientClass,
    FilterText,
    KeepAlive,
    LineKind,
    QueryText,
    Role,
    Topic,
    TopK,
)


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


class ModelsUse(Request, frozen=True, kw_only=True, tag="models_use"):
    """Have this model in its role from now on; "" for the profile's, "none" for none. It is written to config.toml.

    Another embedding model's vectors are made in the background; those there are are searched until then.
    """

    role: Role
    name: Annotated[str, Meta(max_length=200)]


class Get(IndexRequest, frozen=True, kw_only=True, tag="get"):
    """A document by docid or path, `REF[:line[:count]]`; the two fields win over the suffix."""

    ref: str
    from_line: Annotated[int, Meta(ge=1)] | None = None
    max_lines: Annotated[int, Meta(ge=1)] | None = None


class Status(IndexRequest, frozen=True, kw_only=True, tag="status"):
    """The state of the daemon, its models and one index, of which it counts these collections; none: all."""

    collections: list[str] = []


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


class Listen(Request, frozen=True, kw_only=True, tag="events"):
    """The events of these topics (all, if none is named), each in a reply, until the sender cancels it."""

    topics: list[Topic] = []


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
    | ModelsUse
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
    | Listen
)
