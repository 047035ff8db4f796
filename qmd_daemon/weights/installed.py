"""Which models are on this machine. Looks, but neither converts nor loads; cheap enough for every request."""

from __future__ import annotations

import os

from msgspec import Struct

from qmd_daemon.weights import catalog, manifest
from qmd_daemon.weights.entry import Entry


class Installed(Struct, frozen=True, kw_only=True):
    """A model that can be used. `size_bytes` is what its weights take on disk, converted if they are."""

    tokenizer_file: str
    size_bytes: int


class Check(Struct, frozen=True, kw_only=True):
    """A line of `qmd check`. `optional`: nobody has asked for it; it would only suit this machine."""

    name: str
    role: str
    ok: bool
    size_bytes: int = 0
    reason: str = ""
    hint: str = ""
    optional: bool = False


def locate(entry: Entry, models: str) -> Installed | None:
    """Find the model converted (then the original may be gone) or as it came; None when it is not there."""
    directory = os.path.join(models, entry.name)
    for quantization in sorted(_listed(directory)):
        converted = os.path.join(directory, quantization)
        found = manifest.read(converted)
        tokenizer = os.path.join(converted, catalog.TOKENIZER)
        current = (catalog.weights_fingerprint(entry), manifest.CONVERSION)
        if found and (found.fingerprint, found.conversion) == current and os.path.isfile(tokenizer):
            return Installed(tokenizer_file=tokenizer, size_bytes=sum(part.size_bytes for part in found.files))
    source = catalog.find(entry, models)
    if source is None:
        return None
    return Installed(tokenizer_file=os.path.join(source, catalog.TOKENIZER), size_bytes=_weights_bytes(source))


def converted(entry: Entry, models: str) -> dict[str, str]:
    """The converted forms of a model that are up to date, at first sight: quantization -> directory."""
    directory = os.path.join(models, entry.name)
    current = (catalog.weights_fingerprint(entry), manifest.CONVERSION)
    found = {}
    for name in sorted(_listed(directory)):
        path = os.path.join(directory, name)
        read = manifest.read(path)
        if read and (read.fingerprint, read.conversion) == current and read.quantization == name:
            found[name] = path
    return found


def check(entry: Entry, models: str) -> Check:
    """The line of one model."""
    found = locate(entry, models)
    if found is None:
        hint = catalog.install_hint(entry)
        return Check(name=entry.name, role=entry.role, ok=False, reason="not installed", hint=hint)
    return Check(name=entry.name, role=entry.role, ok=True, size_bytes=found.size_bytes)


def _weights_bytes(directory: str) -> int:
    names = [name for name in _listed(directory) if name.endswith(".safetensors") or name == catalog.PICKLED]
    return sum(os.path.getsize(os.path.join(directory, name)) for name in names)


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
