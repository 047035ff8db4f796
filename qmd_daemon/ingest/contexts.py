"""What a person says about a place: everywhere (`/`), a collection, or a directory or file in one."""

from __future__ import annotations

import os

from ipc.errors import QmdError
from qmd_daemon.ingest.index_file import Configured, IndexFile


def put(file: IndexFile, place: str, text: str) -> str:
    """Set what is said about a place, or ("") take it back; the place's address.

    Raises QmdError("not_found") for a place in no collection, and when there is nothing to take back.
    """
    name, path = _resolve(file, place)
    address = "/" if name is None else f"qmd://{name}/{path}".rstrip("/")
    if not file.set_context(name, path, " ".join(text.split())):
        raise QmdError("not_found", f"Context not found for: {address}.", "`qmd context list` shows those there are.")
    return address


def _resolve(file: IndexFile, place: str) -> tuple[str | None, str]:
    """The collection, None for all, and the path in it that a place means: an address or an absolute path."""
    if place == "/":
        return None, ""
    if not place.startswith("/") or place.startswith("//"):
        name, _, path = place.removeprefix("qmd:").lstrip("/").partition("/")
        return file.named(name).name, path.strip("/")
    spot = os.path.normpath(place)
    around = [(each, below) for each in file.collections if (below := _below(each, spot)) is not None]
    if not around:
        hint = "Name one of a collection, as a path or as qmd://collection/path, or `/` for everywhere."
        raise QmdError("not_found", f"{place} is in no collection.", hint)
    deepest, path = max(around, key=lambda found: len(found[0].path))
    return deepest.name, path


def _below(collection: Configured, place: str) -> str | None:
    root = collection.path.rstrip("/")
    if place == root:
        return ""
    return place[len(root) + 1 :] if place.startswith(root + "/") else None
