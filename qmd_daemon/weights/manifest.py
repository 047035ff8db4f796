"""`model.json`: what makes a converted model's directory trusted. Without it, or against it, a directory is refused."""

from __future__ import annotations

import hashlib
import os

import msgspec
from msgspec import Struct

FILE = "model.json"
# Raised when the converters write something else for the same input: older directories are then made anew.
CONVERSION = 1
# Instead of a quantization: the files as they were published. No converter made them, so no version of ours counts.
ORIGINAL = "original"


class Part(Struct, frozen=True, kw_only=True):
    name: str
    size_bytes: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    name: str
    fingerprint: str
    family: str
    quantization: str
    conversion: int = CONVERSION
    source: str = ""  # of what was fetched: OWNER/NAME@REVISION
    files: list[Part]

    @property
    def size_bytes(self) -> int:
        return sum(part.size_bytes for part in self.files)


def write(directory: str, *, name: str, fingerprint: str, family: str, quantization: str, source: str = "") -> Manifest:
    """Hash every file of the directory, write the manifest, and return it; on disk, all of it, by then."""
    parts = [_part(directory, file) for file in sorted(os.listdir(directory)) if file != FILE]
    manifest = Manifest(
        name=name,
        fingerprint=fingerprint,
        family=family,
        quantization=quantization,
        conversion=_conversion(quantization),
        files=parts,
        source=source,
    )
    path = os.path.join(directory, FILE)
    with open(path, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest)))
    for part in [*(p.name for p in parts), FILE]:
        sync(os.path.join(directory, part))
    sync(directory)
    return manifest


def read(directory: str) -> Manifest | None:
    """Return the manifest, or None when there is none that can be read."""
    try:
        with open(os.path.join(directory, FILE), "rb") as file:
            return msgspec.json.decode(file.read(), type=Manifest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def fault(directory: str, fingerprint: str, quantization: str) -> str:
    """Say why the directory is not that model, whole and unaltered; "" when it is. Reads every byte."""
    manifest = read(directory)
    if manifest is None:
        return f"no {FILE}"
    expected = (fingerprint, quantization, _conversion(quantization))
    if (manifest.fingerprint, manifest.quantization, manifest.conversion) != expected:
        return "another model or version"
    for part in manifest.files:
        try:
            same = _part(directory, part.name) == part
        except OSError as error:
            return f"{part.name}: {error.strerror}"
        if not same:
            return f"{part.name} has changed"
    return ""


def digest(path: str) -> str:
    """The sha256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: str) -> None:
    """Wait until a file, or a directory's entries, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _conversion(quantization: str) -> int:
    return 0 if quantization == ORIGINAL else CONVERSION


def _part(directory: str, name: str) -> Part:
    path = os.path.join(directory, name)
    return Part(name=name, size_bytes=os.path.getsize(path), sha256=digest(path))
