"""Which models are used together: the profiles, and which of them this machine and its user get."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from ipc.errors import QmdError
from qmd_daemon.config import EngineConfig, ModelConfig
from qmd_daemon.weights import catalog, installed
from qmd_daemon.weights.entry import Entry, Role

NONE = "none"
GB = 10**9


class Profile(Struct, frozen=True, kw_only=True):
    """One model for each role; "" where there is none. `rerank`: also when a search does not ask for it."""

    name: str
    embedding: str
    reranker: str = ""
    expansion: str = ""
    rerank: bool = True
    dimension: int = 0
    summary: str


class Machine(Struct, frozen=True, kw_only=True):
    """What a profile is chosen by: the memory of the largest card, 0 without one that CUDA can use."""

    vram_bytes: int = 0


class Choice(Struct, frozen=True, kw_only=True):
    """The models in use. `reason` says in a sentence why they are not those of the profile that was asked for."""

    profile: str
    embedding: Entry
    reranker: Entry | None = None
    expansion: Entry | None = None
    rerank: bool = True
    reason: str = ""


PROFILES: tuple[Profile, ...] = (
    Profile(
        name="embedded",
        embedding="all-minilm-l6-v2",
        summary="English embeddings from the package index; no model hub",
    ),
    Profile(
        name="cpu",
        embedding="multilingual-e5-small",
        reranker="mmarco-mminilmv2-l12-h384-v1",
        rerank=False,  # a second for each search on a laptop
        summary="small multilingual models for a machine without a GPU",
    ),
    Profile(
        name="gpu",
        embedding="qwen3-embedding-0.6b",
        reranker="qwen3-reranker-0.6b",
        expansion="qwen3-0.6b",
        dimension=768,
        summary="the best that share 4 GB of a card",
    ),
    Profile(
        name="gpu-small",
        embedding="multilingual-e5-base",
        reranker="bge-reranker-base",
        expansion="qwen2.5-0.5b-instruct",
        dimension=768,
        summary="lighter models for a card of less than 4 GB",
    ),
)
# A card sold with 4 GB shows a little less.
GPU_BYTES, GPU_SMALL_BYTES = int(3.8 * GB), int(1.8 * GB)


def get(name: str) -> Profile:
    """Return the profile of that name. Raises QmdError("invalid") with the names there are."""
    for profile in PROFILES:
        if profile.name == name:
            return profile
    names = ", ".join(["auto", *(profile.name for profile in PROFILES)])
    raise QmdError("invalid", f"{name!r} is not a known profile.", f"There are {names}.")


def default_profile(machine: Machine) -> tuple[Profile, str]:
    """Return what suits the machine, and a sentence that says why."""
    vram = f"{machine.vram_bytes / GB:.1f} GB"
    if machine.vram_bytes >= GPU_BYTES:
        return get("gpu"), f"The profile gpu suits this machine: its card has {vram}."
    if machine.vram_bytes >= GPU_SMALL_BYTES:
        return get("gpu-small"), f"The profile gpu-small suits this machine: its card has only {vram}."
    why = f"its card has only {vram}" if machine.vram_bytes else "it has no GPU that CUDA can use"
    return get("cpu"), f"The profile cpu suits this machine: {why}."


def choose(
    config: EngineConfig,
    models: str,
    *,
    own: Mapping[str, ModelConfig] | None = None,
    machine: Machine | None = None,
) -> Choice:
    """Decide which models are used. `models` is the directory of all models, `own` the user's table of them.

    A model that the user named is taken, installed or not. Of a profile, what is not installed is left out,
    and an embedder that is not there replaced by that of `embedded`: searching goes on, and `reason` says so.
    Raises QmdError("invalid") for names nobody knows.
    """
    if config.profile == "auto":
        profile, reason = default_profile(machine or Machine())
    else:
        profile, reason = get(config.profile), ""
    absent: list[str] = []

    def pick(role: Role, named: str, usual: str) -> Entry | None:
        if named == NONE or not (named or usual):
            return None
        entry = catalog.get(named or usual, own, role)
        if entry.role != role:
            raise QmdError("invalid", f"{entry.name} is a model for {entry.role}, not for {role}.")
        if not named and installed.locate(entry, models) is None:
            absent.append(entry.name)
            return None
        return entry

    embedding = pick("embedding", config.embedding or config.model, profile.embedding)
    reranker = pick("reranker", config.reranker, profile.reranker)
    expansion = pick("expansion", config.expansion, profile.expansion)
    if absent:
        lacking = f"Not downloaded: {', '.join(absent)}. Fetch: qmd pull {profile.name}"
        reason = f"{reason} {lacking}".strip()
    fallback = embedding is None
    chosen = embedding or catalog.get(get("embedded").embedding)
    if not fallback:
        chosen = _sized(chosen, config.dimension or profile.dimension, asked=bool(config.dimension))
    return Choice(
        profile="embedded" if fallback else profile.name,
        embedding=chosen,
        reranker=reranker,
        expansion=expansion,
        rerank=profile.rerank or bool(config.reranker),
        reason=reason if absent else "",
    )


def _sized(entry: Entry, dimension: int, *, asked: bool) -> Entry:
    """The entry with that dimension: a profile's is a wish, a person's is an order."""
    if not dimension or (not asked and dimension not in entry.dimensions):
        return entry
    return catalog.with_dimension(entry, dimension)
