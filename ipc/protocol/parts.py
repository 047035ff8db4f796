"""What replies are made of."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ipc.protocol.terms import Role


class Hit(Struct, frozen=True, kw_only=True):
    """One document of an answer, with its best place.

    `file` is its qmd:// address, `path` the part below the collection. `score` is between 0 and 1
    and orders the list; `relevance` is a calibrated probability where a model gives one.
    `matches` are character ranges [start, end) of `snippet`, which begins at line `line` of `total_lines`.
    `modified_at`: when its file was written last, in seconds since the epoch.
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
    modified_at: float | None = None


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
    """Why a hit is where it is. When it was reranked, its score is `trust` × `fused` + (1 - `trust`) × `rerank`.

    What its relevance was judged by: `coverage`, how much of what the words asked for could say its words do (0 to
    1); the `cosine` of its best passage, beside the `usual_cosine` of the passages searched and their `spread`.
    """

    contributions: list[Contribution] = []
    matched_terms: list[str] = []
    fused: float | None = None
    rerank: float | None = None
    trust: float | None = None
    coverage: float | None = None
    cosine: float | None = None
    usual_cosine: float | None = None
    spread: float | None = None


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
    epoch: 0 when it is not there, null when it stays. `loaded_at` is when it came into memory, 0 when it is not there.
    `loads` counts how often the role's model was loaded since the daemon started, and `load_s` what that took in all.
    `fallback`: it is not on the device that was wanted.
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
    loaded_at: float = 0.0
    loads: int = 0
    load_s: float = 0.0
    fallback: bool = False


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
