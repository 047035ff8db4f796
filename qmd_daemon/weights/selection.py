"""Which files of a repository are fetched. A repository's list is hostile until it has been through here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from ipc.errors import QmdError
from qmd_daemon.weights.entry import TOKENIZER, WEIGHTS

CONFIG = "config.json"
_OTHER = "Choose another model: `qmd models list`."

# No directories: nothing that a conversion needs is in one.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILES = 64
# Ten times the largest model that is known here.
_TOTAL_BYTES = 30_000_000_000


class RemoteFile(Struct, frozen=True, kw_only=True):
    """A file that a repository has. `size_bytes` 0 and `sha256` "": it does not say."""

    name: str
    size_bytes: int = 0
    sha256: str = ""


def select(files: Iterable[RemoteFile], patterns: Sequence[str], fallback: Sequence[str] = ()) -> list[RemoteFile]:
    """Return the files that match a pattern, by name; those of `fallback` only where there are no safetensors.

    Raises QmdError("unavailable") when something is missing that a conversion
    needs, or when the repository is beyond all reason.
    """
    listed = [_known(file) for file in files if _NAME.fullmatch(file.name)]
    found = _matching(listed, patterns)
    names = {file.name for file in found}
    if WEIGHTS in names:  # whole, and perhaps in shards or in other precisions beside it
        found = [file for file in found if file.name == WEIGHTS or ".safetensors" not in file.name]
    elif not any(name.endswith(".safetensors") for name in names):
        found += _matching(listed, fallback)
    if not any(file.name.endswith((".safetensors", ".bin")) for file in found):
        raise QmdError("unavailable", "The repository has no weights that can be converted.", _OTHER)
    for needed in (CONFIG, TOKENIZER):
        if needed not in names:
            message = f"The repository has no {needed}, without which its weights are of no use."
            raise QmdError("unavailable", message, _OTHER)
    if len(found) > _FILES or sum(file.size_bytes for file in found) > _TOTAL_BYTES:
        raise QmdError("unavailable", "The repository is larger than any model that fits here.", _OTHER)
    return sorted(found, key=lambda file: file.name)


def _matching(files: Iterable[RemoteFile], patterns: Sequence[str]) -> list[RemoteFile]:
    return [file for file in files if any(fnmatchcase(file.name, pattern) for pattern in patterns)]


def _known(file: RemoteFile) -> RemoteFile:
    sha256 = file.sha256.lower()
    return RemoteFile(
        name=file.name,
        size_bytes=max(file.size_bytes, 0),
        sha256=sha256 if _SHA256.fullmatch(sha256) else "",
    )
